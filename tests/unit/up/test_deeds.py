from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from agent.machine.api import Completed
from agent.model.errors import FirstlightError, Missing, Unobservable
from agent.model.finding import Report
from agent.up.deeds import MachineDeeds
from tests.unit.up.world import first_boot

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

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


def systemd(monkeypatch: pytest.MonkeyPatch, state: str, then: Exception | None = None) -> list[str]:
    """Let systemd be in a state of its boot; return the last words of the commands that ask it."""
    asked: list[str] = []

    def run_command(argv: tuple[str, ...], timeout_s: float) -> Completed:
        asked.append(argv[-1])
        if then is not None and (argv[-1] == "--wait" or isinstance(then, Missing)):
            raise then
        return Completed(argv, 1, f"{state}\n", "")

    monkeypatch.setattr("agent.up.deeds.run_command", run_command)
    return asked


def test_a_boot_that_is_not_over_is_waited_for_and_only_that(monkeypatch: pytest.MonkeyPatch) -> None:
    deeds = Deeds()
    asked = systemd(monkeypatch, "starting")
    deeds._await_boot()
    assert asked == ["is-system-running", "--wait"]
    assert deeds.said == ["waiting for the end of the boot"]
    for state in ("running", "degraded", "maintenance", "offline"):
        asked = systemd(monkeypatch, state)
        deeds._await_boot()
        assert asked == ["is-system-running"]


def test_a_boot_that_does_not_end_is_said_and_one_without_systemd_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    deeds = Deeds()
    systemd(monkeypatch, "starting", Unobservable("no answer within 600 s"))
    deeds._await_boot()
    assert deeds.said[-1] == "the boot has not ended: no answer within 600 s; going on"
    deeds = Deeds()
    systemd(monkeypatch, "", Missing("systemctl: command not found"))
    deeds._await_boot()
    assert deeds.said == []
