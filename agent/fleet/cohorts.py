"""Machines of one profile and system against their majority. Digests first; facts only of those that stand out."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from agent.model.drift import UNREAD, Difference

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from agent.fleet.envelopes import Head

    Load = Callable[[Head], dict[str, Any]]
    Facts = dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Odd:
    """Machines that differ from their cohort in the same way. `before` of a difference is the majority's value.

    `own` are the machine's own drifts (as its report tells them) that are among the differences: when and why.
    """

    machines: tuple[str, ...]
    differences: tuple[Difference, ...]
    own: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Cohort:
    """Machines of one profile on one system. `odd`: the ones out, the rarest kind first."""

    profile: str
    system: str
    machines: int
    odd: tuple[Odd, ...]

    @property
    def alike(self) -> int:
        """How many are as the majority is."""
        return self.machines - sum(len(odd.machines) for odd in self.odd)


def compare_cohorts(heads: Iterable[Head], load: Load, left_out: Collection[str] = ()) -> list[Cohort]:
    """Return the cohorts, those with odd machines first. `load` returns a report; it is called for few.

    A majority is more than half of the cohort. Where no digest has one, it is looked for fact by fact.
    """
    members: dict[tuple[str, str], list[Head]] = defaultdict(list)
    for head in heads:
        members[head.profile, head.system].append(head)
    found = [_Comparison(found, load, left_out).cohort(*key) for key, found in sorted(members.items())]
    return sorted(found, key=lambda cohort: (not cohort.odd, cohort.profile, cohort.system))


class _Comparison:
    """One cohort: majority by area, then the facts of those that differ."""

    def __init__(self, heads: Sequence[Head], load: Load, left_out: Collection[str]) -> None:
        self._heads, self._load = heads, load
        self._needed = len(heads) // 2 + 1
        self._ignore = tuple(dict.fromkeys(rule for head in heads for rule in head.ignore))
        known = {area for head in heads for area in head.digests} - set(left_out)
        self._common = {area: found for area in known if (found := self._majority(area)) is not None}
        self._divided = {area for area in known - set(self._common) if self._speak_of(area) >= 2}
        usual = self._common.items()
        self._unlike = {
            number: areas
            for number, head in enumerate(heads)
            if (self._divided or not usual <= head.digests.items()) and (areas := self._unlike_areas(head))
        }

    def cohort(self, profile: str, system: str) -> Cohort:
        """Return the comparison's result."""
        if len(self._heads) == 1:
            return Cohort(profile, system, 1, ())
        usual = self._usual()
        kinds: dict[tuple[Difference, ...], list[tuple[str, tuple[dict[str, Any], ...]]]] = defaultdict(list)
        for number, unlike in self._unlike.items():
            head = self._heads[number]
            report = self._load(head)
            if found := self._differences(unlike, usual, report.get("facts") or {}, head):
                kinds[found].append((head.machine, _own(report, found)))
        odd = [Odd(tuple(name for name, _ in each), kind, each[0][1]) for kind, each in kinds.items()]
        return Cohort(
            profile,
            system,
            len(self._heads),
            tuple(sorted(odd, key=lambda one: (len(one.machines), one.machines))),
        )

    def _majority(self, area: str) -> str | None:
        """Return the digest that more than half of the cohort has."""
        digest, count = Counter(head.digests.get(area, "") for head in self._heads).most_common(1)[0]
        return digest if count >= self._needed and digest else None

    def _speak_of(self, area: str) -> int:
        return sum(area in head.digests for head in self._heads)

    def _unlike_areas(self, head: Head) -> list[str]:
        return [
            area
            for area, digest in head.digests.items()
            if area in self._divided or (area in self._common and digest != self._common[area])
        ]

    def _usual(self) -> Facts:
        """Return the majority's facts of the areas in which any machine differs."""
        wanted = {area for areas in self._unlike.values() for area in areas} - self._divided
        facts: Facts = {}
        for head in self._heads:
            if not wanted:
                break
            mine = {area for area in wanted if head.digests.get(area) == self._common[area]}
            if mine:
                told = self._load(head).get("facts") or {}
                facts |= {area: told[area] for area in mine if area in told}
                wanted -= mine
        return facts | self._by_fact()

    def _by_fact(self) -> Facts:
        """Return what more than half say, fact by fact, in the areas where no whole area has a majority."""
        if not self._divided:
            return {}
        counted: dict[str, Counter[tuple[str, str]]] = {area: Counter() for area in self._divided}
        for head in self._heads:
            facts = self._load(head).get("facts") or {}
            for area in self._divided:
                counted[area].update((facts.get(area) or {}).items())
        return {
            area: {key: value for (key, value), count in found.items() if count >= self._needed}
            for area, found in counted.items()
        }

    def _differences(
        self, areas: Sequence[str], usual: Facts, facts: Facts, head: Head
    ) -> tuple[Difference, ...]:
        found = []
        for area in areas:
            if area not in facts:
                known = self._common.get(area, "")
                found.append(Difference(area, "(digest)", known, head.digests[area]))
                continue
            common, mine = usual.get(area, {}), facts[area]
            keys = sorted({*common, *mine})
            found += [
                Difference(area, key, common.get(key, ""), mine.get(key, ""))
                for key in keys
                if common.get(key, "") != mine.get(key, "") and UNREAD not in (common.get(key), mine.get(key))
            ]
        return tuple(
            item
            for item in found
            if not any(fnmatchcase(f"{item.area} {item.key}", rule) for rule in self._ignore)
        )


def _own(report: dict[str, Any], differences: Sequence[Difference]) -> tuple[dict[str, Any], ...]:
    named = {(item.area, item.key) for item in differences}
    return tuple(
        drift for drift in report.get("drifts") or () if (drift.get("area"), drift.get("key")) in named
    )
