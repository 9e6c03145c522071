"""How a check is declared.

A check is one file `checks/<area>/<name>.py` that ends in `CHECK = Check(...)`. Its id is its path:
`checks/kernel/nr_open.py` is `kernel.nr-open`. `observe` looks at the machine and returns a frozen value;
`judge` is pure and returns outcomes. The engine adds the id and the remedy and makes findings of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Generic, TypeVar

from agent.model.finding import Evidence, Remedy
from agent.model.verdict import Verdict

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile

Seen = TypeVar("Seen")


class Level(IntEnum):
    """How much a check costs: quick < 1 s; standard some seconds; deep loads the machine."""

    QUICK = 1
    STANDARD = 2
    DEEP = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """What `judge` says about one subject. `remedy` overrides the check's own."""

    verdict: Verdict
    summary: str
    subject: str = ""
    seen: str = ""
    expected: str = ""
    evidence: tuple[Evidence, ...] = ()
    remedy: Remedy | None = None


@dataclass(frozen=True, slots=True)
class Check(Generic[Seen]):
    """One check. `why` is one or two sentences for the person who reads the finding.

    `observe(machine, profile)` may raise `Unobservable` (→ unknown). `timeout_s` is its deadline in seconds.
    """

    title: str
    why: str
    observe: Callable[[Machine, ResolvedProfile], Seen]
    judge: Callable[[Seen, ResolvedProfile], Sequence[Outcome]]
    level: Level = Level.QUICK
    remedy: Remedy = field(default_factory=Remedy)
    timeout_s: float = 10.0
    needs_root: bool = False


def passed(summary: str, *, subject: str = "", seen: str = "", expected: str = "",
           evidence: Sequence[Evidence] = ()) -> Outcome:
    """The machine is as it must be."""
    return Outcome(Verdict.PASS, summary, subject, seen, expected, tuple(evidence))


def warned(summary: str, *, subject: str = "", seen: str = "", expected: str = "",
           evidence: Sequence[Evidence] = (), remedy: Remedy | None = None) -> Outcome:
    """Works today, will hurt later."""
    return Outcome(Verdict.WARN, summary, subject, seen, expected, tuple(evidence), remedy)


def failed(summary: str, *, subject: str = "", seen: str = "", expected: str = "",
           evidence: Sequence[Evidence] = (), remedy: Remedy | None = None) -> Outcome:
    """The machine is not as it must be."""
    return Outcome(Verdict.FAIL, summary, subject, seen, expected, tuple(evidence), remedy)


def unknown(reason: str, *, subject: str = "", evidence: Sequence[Evidence] = (),
            remedy: Remedy | None = None) -> Outcome:
    """It could not be looked at; `reason` says why."""
    return Outcome(Verdict.UNKNOWN, reason, subject, evidence=tuple(evidence), remedy=remedy)


def not_applicable(reason: str, *, subject: str = "") -> Outcome:
    """This hardware or this profile has no such thing; `reason` says why."""
    return Outcome(Verdict.NOT_APPLICABLE, reason, subject)
