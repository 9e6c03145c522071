"""What the screens show: one value that background work fills and screens read."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from agent.desk.runs import RunView
    from agent.desk.values import Drifted, Look, Proof, Sample
    from agent.desk.way import Way
    from agent.fleet.look import FleetLook
    from agent.model.finding import CheckRun, Report
    from agent.state.history import Entry

REMEMBERED = 120  # utilisation of each GPU, samples


@dataclass(frozen=True, slots=True)
class Work:
    """A check run that is going on. `total` 0 while that is not known."""

    title: str
    done: int = 0
    total: int = 0
    now: str = ""


@dataclass(slots=True)
class State:
    """None stands for "not known yet"."""

    look: Look | None = None
    report: Report | None = None
    entries: list[Entry] | None = None
    sample: Sample | None = None
    drift: Drifted | None = None
    proofs: list[Proof] | None = None
    smoke: Report | None = None
    fleet: FleetLook | None = None
    busy: dict[str, deque[int]] = field(default_factory=dict)
    work: Work | None = None
    run: RunView | None = None
    way: Way | None = None
    notice: str = ""

    def take_sample(self, sample: Sample) -> None:
        """Keep a sample and the utilisation of each GPU before it."""
        self.sample = sample
        for card in sample.cards:
            seen = card.gpu.numbers("utilization_percent", 2)
            if isinstance(seen, tuple):
                self.busy.setdefault(card.gpu.subject, deque(maxlen=REMEMBERED)).append(seen[0])

    def take_report(self, new: Report) -> None:
        """Keep a report; one of a few checks is laid over what is known of the others."""
        old = self.report
        if old is None or {run.check for run in old.runs} <= {run.check for run in new.runs}:
            self.report = new
            return
        runs: dict[str, CheckRun] = {run.check: run for run in old.runs}
        runs |= {run.check: run for run in new.runs}
        self.report = replace(new, runs=tuple(runs[check] for check in sorted(runs)), level=old.level)


class Changed(Message):
    """Something became known.

    `topic`: look, report, entries, sample, drift, proofs, smoke, fleet, said, work, run, way, rechecked, problem.
    """

    def __init__(self, topic: str, value: object) -> None:
        super().__init__()
        self.topic, self.value = topic, value
