"""One look at a fleet: what each machine says, and who differs from its like. From answers or collected reports."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from agent.fleet.answers import Reach
from agent.fleet.cohorts import Cohort, compare_cohorts
from agent.fleet.envelopes import find_files, head_of, load_head, load_report
from agent.model.drift import time_text
from agent.model.errors import FirstlightError, UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from agent.fleet.answers import Answer

Row = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class FleetLook:
    """Machines as (name, state, what it says), cohorts, and by machine the drifts it has by its own past and profile.

    A state is ok, drifted, degraded (not all was compared), unreadable, or how far a question got.
    """

    machines: tuple[Row, ...]
    cohorts: tuple[Cohort, ...]
    own: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)

    def names(self, state: str) -> list[str]:
        """Return the machines in a state, sorted."""
        return sorted(name for name, each, _ in self.machines if each == state)

    def documents(self) -> list[dict[str, Any]]:
        """Return the cohorts as JSON objects."""
        return [asdict(cohort) | {"alike": cohort.alike} for cohort in self.cohorts]


def look_at_answers(answers: Mapping[str, Answer], left_out: Collection[str]) -> FleetLook:
    """Return the look in the answers to `drift --facts`; areas in `left_out` belong to each machine alone."""
    told = {host: answer for host, answer in answers.items() if answer.reach is Reach.ANSWERED}
    heads = [head_of(host, answer.data["head"]) for host, answer in told.items()]
    cohorts = compare_cohorts(heads, lambda head: told[head.machine].data, left_out)
    own = {host: answer.data["drifts"] for host, answer in told.items() if answer.data["drifts"]}
    return FleetLook(tuple(_row(answer) for answer in answers.values()), tuple(cohorts), own)


def look_at_reports(folder: str, left_out: Collection[str]) -> FleetLook:
    """Return the look in a folder of collected reports. Raises UsageError when it holds none."""
    heads, rows = [], []
    for file in find_files(folder):
        try:
            heads.append(load_head(file))
        except FirstlightError as error:
            rows.append((file.stem, "unreadable", error.message.removeprefix(f"{file}: ")))
    if not heads and not rows:
        raise UsageError(f"{folder}: holds no reports (*.json)", "collect them: firstlight fleet drift --to DIR")
    rows += [(head.machine, "drifted" if head.drifts else "ok", f"{_drifts(head.drifts)}, {time_text(head.taken)}")
             for head in heads]
    return FleetLook(tuple(rows), tuple(compare_cohorts(heads, lambda head: load_report(head.file), left_out)))


def unanswered(answer: Answer) -> Row | None:
    """Return the line of a machine that gave no answer, None for one that did."""
    return None if answer.reach is Reach.ANSWERED else (answer.host, answer.reach.value, answer.problem)


def _row(answer: Answer) -> Row:
    if (silent := unanswered(answer)) is not None:
        return silent
    count, unseen = len(answer.data["drifts"]), len(answer.data["unseen"])
    state = "drifted" if count else "degraded" if unseen else "ok"
    not_all = f", {unseen} not compared" if unseen else ""
    return (answer.host, state, f"{_drifts(count)}{not_all}, {answer.duration_s:.0f} s")


def _drifts(count: int) -> str:
    return f"{count} drift{'s' * (count != 1)}"
