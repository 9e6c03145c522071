"""The last looks for drift in a few lines of JSON, for who may not read the history of drifts (the exporter)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from agent.model.drift import digest_of
from agent.state.atomic import write_atomic

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from agent.model.drift import Drift

FILE = "drift.json"


@dataclass(frozen=True, slots=True)
class LookSummary:
    """One kind of look. `items` counts drifts by check or area; machines that drifted alike have one fingerprint."""

    against: str
    items: dict[str, int]
    fingerprint: str
    finished: float


def summarise(against: str, drifts: Sequence[Drift], finished: float) -> LookSummary:
    """Return what is told of a look against one thing."""
    found = [drift for drift in drifts if drift.against == against]
    items: dict[str, int] = {}
    for drift in found:
        name = drift.key.partition(" ")[0] if drift.area == "check" else drift.area
        items[name] = items.get(name, 0) + 1
    facts = {f"{drift.area} {drift.key}": drift.after for drift in found}
    return LookSummary(against, items, digest_of(facts) if facts else "", finished)


def write_summaries(folder: Path, new: Sequence[LookSummary]) -> None:
    """Write the looks; those against other things stay as they were. Raises StateError."""
    kept = {look.against: look for look in (*load_summaries(folder), *new)}
    text = json.dumps({"schema_version": 1, "looks": [asdict(look) for look in kept.values()]})
    write_atomic(folder / FILE, text + "\n", 0o600)


def load_summaries(folder: Path) -> tuple[LookSummary, ...]:
    """Return the looks that were written; nothing when there is no file or it is damaged."""
    try:
        looks = json.loads((folder / FILE).read_text(encoding="utf-8"))["looks"]
        return tuple(LookSummary(str(look["against"]), {str(k): int(v) for k, v in look["items"].items()},
                                 str(look["fingerprint"]), float(look["finished"])) for look in looks)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ()
