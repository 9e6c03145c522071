"""What is different between two fingerprints. Pure."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from agent.model.drift import UNREAD, Difference, printed_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from agent.model.drift import Fingerprint


def compare(
    before: Fingerprint, after: Fingerprint, *, ignore: Sequence[str] = (), left_out: Collection[str] = ()
) -> tuple[list[Difference], dict[str, str]]:
    """Return the differences in the order of the areas, and the areas that could not be compared, with the reason.

    `ignore` holds patterns of `AREA KEY`; `left_out` areas that say nothing here.
    """
    found: list[Difference] = []
    unseen: dict[str, str] = {}
    for area in {**after.facts, **before.facts, **after.unread}:
        if area in left_out:
            continue
        if reason := after.unread.get(area) or before.unread.get(area):
            unseen[area] = reason
        elif area in before.facts and area in after.facts:
            found += _in_area(area, before.facts[area], after.facts[area])
    return [item for item in found if not ignored(item.area, item.key, ignore)], unseen


def ignored(area: str, key: str, rules: Sequence[str]) -> bool:
    """Return whether one of the rules (`package linux-*`, `kernel.sysctl vm.*`) speaks of this fact or finding."""
    return any(fnmatchcase(printed_name(area, key), rule) for rule in rules)


def _in_area(area: str, before: dict[str, str], after: dict[str, str]) -> Iterator[Difference]:
    if before == after:
        return
    for key in sorted({*before, *after}):
        old, new = before.get(key, ""), after.get(key, "")
        if old != new and UNREAD not in (old, new):
            yield Difference(area, key, old, new)
