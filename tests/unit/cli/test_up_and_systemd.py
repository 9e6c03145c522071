from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from agent.cli import systemd as systemd_command
from agent.cli.main import main
from agent.model.finding import CheckRun, Finding, Report
from agent.model.plan import Outcome, Run
from agent.model.verdict import Verdict
from agent.provision.places import Places
from agent.systemd import first_boot, installation
from agent.systemd.rendering import RETRY_S
from agent.up.deeds import MachineDeeds
from agent.up.stages import ATTEMPTS, SLOW_S
from agent.up.state import FirstBoot, Stage, StateFile

REPORT = Report("box", "test", "d", "standard", 1e9, 1e9, (
    CheckRun("a.b", "T", 0.1, (Finding("a.b", Verdict.FAIL, "broken"),)),))


class Deeds(MachineDeeds):
    """Deeds that touch nothing: one apply, which `outcome` decides, then a report of one failure."""

    outcome = Outcome.DONE

    def plan(self) -> None:
        self.say("planned")

    def apply(self) -> Run:
        return Run("1", "apply", "test", (), self.outcome, 1.0, 2.0, (), failure="no network")

    def reboot_wanted(self) -> bool:
        return False

    def check(self) -> int | None:
        self._reports["check"] = REPORT
        return 1

    def smoke(self) -> None:
        self._reports["smoke"] = REPORT

    def scorecard(self, state: FirstBoot) -> None:
        self._show((REPORT,), state)


@pytest.fixture
def machine(apart: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A machine for `up` whose unit, lock and deeds are the test's; returns what became of the unit."""
    unit: list[str] = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("agent.provision.places.places", lambda: Places(apart / "run", apart / "state"))
    monkeypatch.setattr("agent.provision.places.make_private", lambda folder: folder.mkdir(parents=True, exist_ok=True))
    monkeypatch.setattr("agent.provision.lock.make_private", lambda folder: folder.mkdir(parents=True, exist_ok=True))
    monkeypatch.setattr(first_boot, "enable", lambda setting: unit.append("enabled"))
    monkeypatch.setattr(first_boot, "disable", lambda: unit.append("disabled"))
    monkeypatch.setattr("agent.up.deeds.MachineDeeds", Deeds)
    monkeypatch.setattr("agent.cli.up._setting", lambda: None)
    monkeypatch.setattr(Deeds, "outcome", Outcome.DONE)
    return unit


def saved(apart: Path) -> FirstBoot | None:
    return StateFile(apart / "state").find()


def test_what_is_prepared_is_begun_by_the_unit_and_ends_with_a_scorecard(
        machine: list[str], apart: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up", "--at-boot", "--allow-reboot"]) == 0
    prepared = saved(apart)
    assert prepared is not None
    assert (prepared.stage, prepared.starts, prepared.asked) == (Stage.PLAN, 0, False)
    assert main(["up", "--resume"]) == 1
    told = capsys.readouterr()
    assert "going on with the first boot of" in told.err
    assert "a.b" in told.out
    assert machine == ["enabled", "enabled", "disabled"]
    assert saved(apart) is None


def test_a_failure_keeps_the_unit_and_is_gone_on_with(machine: list[str], apart: Path,
                                                     monkeypatch: pytest.MonkeyPatch,
                                                     capsys: pytest.CaptureFixture[str]) -> None:
    main(["up", "--at-boot"])
    monkeypatch.setattr(Deeds, "outcome", Outcome.FAILED)
    assert main(["up", "--resume"]) == 3
    assert "no network" in capsys.readouterr().err
    assert machine[-1] == "enabled"
    monkeypatch.setattr(Deeds, "outcome", Outcome.DONE)
    assert main(["up", "--resume"]) == 1
    assert "next is apply (start 2)" in capsys.readouterr().err


def failed_often(apart: Path, boot_id: str) -> None:
    main(["up", "--at-boot"])
    state = saved(apart)
    assert state is not None
    StateFile(apart / "state").save(replace(state, stage=Stage.APPLY, attempts=ATTEMPTS, boot_id=boot_id))


@pytest.mark.parametrize(("boot_id", "waits"), [("this", [SLOW_S - RETRY_S]), ("an earlier one", [])])
def test_after_many_failures_the_unit_waits_an_hour_but_not_after_a_boot(
        boot_id: str, waits: list[int], machine: list[str], apart: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("agent.up.deeds.current_boot", lambda: "this")
    monkeypatch.setattr("agent.cli.up.time.sleep", slept.append)
    failed_often(apart, boot_id)
    assert main(["up", "--resume"]) == 1
    assert (slept, saved(apart)) == (waits, None)


def test_a_person_stops_the_trying(machine: list[str], apart: Path, monkeypatch: pytest.MonkeyPatch,
                                   capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("agent.up.message.remove_message", lambda: machine.append("message gone"))
    failed_often(apart, "this")
    assert main(["up", "--cancel"]) == 0
    assert machine[-2:] == ["disabled", "message gone"]
    assert saved(apart) is None
    assert "given up" in capsys.readouterr().err
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert main(["up", "--cancel"]) == 3


def test_an_interrupt_of_a_person_takes_the_unit_away_and_the_state_stays(
        machine: list[str], apart: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    main(["up", "--at-boot"])
    monkeypatch.setattr(Deeds, "outcome", Outcome.CANCELLED)
    assert main(["up", "--yes"]) == 130
    assert machine[-1] == "disabled"
    assert "sudo firstlight up goes on from here" in capsys.readouterr().err
    assert saved(apart) is not None


def test_a_unit_without_a_first_boot_removes_itself(machine: list[str]) -> None:
    assert main(["up", "--resume"]) == 0
    assert machine == ["disabled"]


def test_up_needs_root_or_a_terminal(apart: Path, monkeypatch: pytest.MonkeyPatch,
                                     capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert main(["up"]) == 3
    assert "needs root" in capsys.readouterr().err
    assert main(["up", "--acknowledge"]) == 3
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert main(["up"]) == 3
    assert "no terminal to ask at" in capsys.readouterr().err


def test_status_without_units_says_how_to_get_them(apart: Path, monkeypatch: pytest.MonkeyPatch,
                                                   capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(installation, "UNITS", apart)
    monkeypatch.setattr(installation.ours, "__defaults__", (apart,))
    assert main(["systemd", "status"]) == 0
    assert "sudo firstlight systemd install" in capsys.readouterr().out


def test_install_needs_systemd_and_root(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert main(["systemd", "install", "-o", "json"]) == 3
    assert json.loads(capsys.readouterr().out)["ok"] is False


def test_idle_answers_by_exit_code(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("agent.provision.reboot.gpu_users", lambda: ("train (7)",))
    assert main(["systemd", "idle"]) == systemd_command.BUSY
    assert "train (7)" in capsys.readouterr().out
    monkeypatch.setattr("agent.provision.reboot.gpu_users", tuple)
    assert main(["systemd", "idle"]) == 0


@pytest.fixture
def person(machine: list[str], capture: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Somebody at a terminal before a recorded machine; returns their answers, to be filled."""
    from agent.app import App
    from agent.machine.recording_file import load_recording
    from agent.model.plan import Change, Plan

    answers: list[str] = []
    monkeypatch.setattr("agent.cli.provisioning.require_rights", lambda args, command: None)
    monkeypatch.setattr(App, "recording", property(lambda self: load_recording(capture)))
    monkeypatch.setattr("agent.cli.up._ask", lambda question: answers.pop(0) == "yes")
    plan = Plan("cpu-only", "d", ("sysctl",), (Change("sysctl", "Set", "vm.swappiness", "60", "10"),))
    monkeypatch.setattr("agent.cli.provisioning.planned", lambda job: plan)
    return answers


def test_who_says_no_gets_nothing_done(person: list[str], apart: Path, capsys: pytest.CaptureFixture[str]) -> None:
    person.append("no")
    assert main(["up", "--profile", "cpu-only"]) == 1
    told = capsys.readouterr()
    assert "named by --profile" in told.out
    assert "vm.swappiness" in told.err
    assert saved(apart) is None


def test_who_says_yes_is_asked_once_and_what_was_agreed_to_is_remembered(
        person: list[str], apart: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    person.append("yes")
    monkeypatch.setattr(Deeds, "outcome", Outcome.FAILED)
    assert main(["up", "--profile", "cpu-only"]) == 3
    state = saved(apart)
    assert state is not None
    assert (state.asked, state.profile, state.stage) == (True, "cpu-only", Stage.APPLY)
    monkeypatch.setattr(Deeds, "outcome", Outcome.DONE)
    assert main(["up"]) == 1
    assert person == []


def test_a_profile_that_was_changed_since_somebody_agreed_is_asked_about_again(
        person: list[str], apart: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = StateFile(apart / "state")
    file.save(FirstBoot("1-up", Stage.APPLY, "cpu-only", "another", 1.0, "boot", asked=True))
    assert main(["up", "--resume"]) == 3
    assert "changed since somebody agreed" in capsys.readouterr().err
    person.append("no")
    assert main(["up"]) == 1
    assert "changed since you agreed" in capsys.readouterr().err
