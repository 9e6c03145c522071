"""What drifted and what smoke jobs measured as facts: counted, in base units, without the values themselves."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from agent.exporter.facts import DriftFact, SmokeFact
from agent.model.drift import digest_of
from agent.model.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agent.exporter.facts import Facts
    from agent.model.drift import Drift
    from agent.model.job import JobLine

_BASE = {"_gbs": ("_bytes_per_second", 1e9), "_tflops": ("_flops_per_second", 1e12), "_ms": ("_seconds", 1e-3),
         "_per_s": ("_per_second", 1.0)}


def with_drift(facts: Facts, looked: float, drifts: Sequence[Drift], against: Iterable[str]) -> Facts:
    """Return the facts with the drifts that a look at `looked` (epoch seconds) found against each of `against`."""
    return replace(facts, drift=tuple(
        _drift(name, looked, [drift for drift in drifts if drift.against == name]) for name in against))


def with_smoke(facts: Facts, lines: Iterable[JobLine]) -> Facts:
    """Return the facts with each job's newest results: it failed when it did on one GPU.

    A warning is no failure; a job that could not tell anywhere, or does not apply, neither passed nor failed.
    """
    by_job: dict[str, list[JobLine]] = {}
    for line in lines:
        by_job.setdefault(line.job, []).append(line)
    return replace(facts, smoke=tuple(_smoke(job, found) for job, found in sorted(by_job.items())))


def in_base_unit(name: str, value: float) -> tuple[str, float]:
    """Return a figure with the unit that ends its name made a base unit: `copy_gbs` → `copy_bytes_per_second`."""
    for ending, (better, factor) in _BASE.items():
        if name.endswith(ending):
            return name.removesuffix(ending) + better, value * factor
    return name, value


def _drift(against: str, looked: float, drifts: Sequence[Drift]) -> DriftFact:
    items = Counter(drift.key.partition(" ")[0] if drift.area == "check" else drift.area for drift in drifts)
    alike = digest_of({f"{drift.area} {drift.key}": drift.after for drift in drifts})
    return DriftFact(against, tuple(sorted(items.items())), alike, looked)


def _smoke(job: str, lines: Sequence[JobLine]) -> SmokeFact:
    figures = tuple((line.subject, *in_base_unit(name, value))
                    for line in lines for name, value in sorted(line.figures.items()))
    verdicts = {line.verdict for line in lines}
    passed = False if Verdict.FAIL in verdicts else True if verdicts & {Verdict.PASS, Verdict.WARN} else None
    return SmokeFact(job, passed, figures,
                     max(line.started + line.duration_s for line in lines))
