from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from agent.model.errors import FirstlightError
from agent.model.finding import Report
from agent.up.deeds import MachineDeeds
from tests.unit.up.world import first_boot

if TYPE_CHECKING:
    from collections.abc import Iterator

REPORT = Report("box", "test", "d", "standard", 1.0, 2.0, ())


class Histories:
    """An app whose history holds the reports `kept`."""

    def __init__(self, **kept: Report) -> None:
        self.kept = kept

    @contextmanager
    def history(self) -> Iterator[Histories]:
        yield self

    def report(self, number: int) -> Report:
        if f"n{number}" not in self.kept:
            raise FirstlightError(f"report {number}: not in the history")
        return self.kept[f"n{number}"]


class Deeds(MachineDeeds):
    """Deeds whose jobs were done and whose check is only counted."""

    def __init__(self) -> None:
        self.said: list[str] = []
        nothing = cast("Any", None)
        super().__init__(first_boot(), nothing, unattended=True, say=self.said.append, ask=nothing, plan=nothing,
                         apply=nothing, show=nothing)
        self._reports["smoke"] = REPORT

    def check(self) -> int | None:
        self._reports["check"] = REPORT
        return 8


def kept(deeds: Deeds, app: Histories) -> tuple[Report, ...]:
    return deeds._kept_reports(cast("Any", app), first_boot(check_report=7))


def test_the_report_of_a_check_before_a_power_cut_is_read_from_the_history() -> None:
    older = Report("box", "test", "d", "standard", 0.5, 0.6, ())
    deeds = Deeds()
    assert kept(deeds, Histories(n7=older)) == (older, REPORT)
    assert deeds.said == []


def test_a_report_that_a_power_cut_has_taken_is_made_again() -> None:
    deeds = Deeds()
    assert kept(deeds, Histories()) == (REPORT, REPORT)
    assert deeds.said == ["the report of the check is gone (report 7: not in the history); checking again"]
