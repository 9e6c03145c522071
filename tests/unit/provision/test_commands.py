"""The commands plan, apply and fix: what they ask, run, show and exit with. No ansible here."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from agent.cli import provisioning
from agent.cli.main import main
from agent.model.finding import CheckRun, Finding, Remedy, Report
from agent.model.plan import Change, Outcome, Plan, Refusal, Run
from agent.model.verdict import Verdict
from agent.provision.reboot import gpu_users

if TYPE_CHECKING:
    from pathlib import Path

CHANGE = Change("sysctl", "Set kernel parameters", "vm.swappiness", "60", "10")


class World:
    """Stands for App, plan and apply: what the tests put in comes out, what was asked is kept."""

    def __init__(self) -> None:
        self.plan = Plan("cpu-only", "d", ("sysctl",), (CHANGE,))
        self.run = Run("1", "apply", "cpu-only", ("sysctl",), Outcome.DONE, 0.0, 1.0, (CHANGE,))
        self.reports: list[Report] = []
        self.asked: list[Any] = []

    def __call__(self, **options: Any) -> World:
        return self

    def check(self, *, level: str, only: list[str]) -> Report:
        self.asked.append(("check", level, tuple(only)))
        return self.reports.pop(0)


def report(verdict: Verdict, remedy: Remedy) -> Report:
    finding = Finding("kernel.sysctl", verdict, "vm.swappiness is 60", "vm.swappiness", remedy=remedy)
    done = CheckRun("kernel.sysctl", "t", 0.1, (finding,))
    return Report("here", "cpu-only", "d", "deep", 0.0, 1.0, (done,))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    it = World()
    monkeypatch.setattr("agent.app.App", it)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("sys.argv", ["/opt/firstlight/bin/firstlight"])

    def make_job(app: World, roles: tuple[str, ...], *, allow_disruption: bool) -> SimpleNamespace:
        it.asked.append(("job", tuple(roles), allow_disruption))
        return SimpleNamespace()

    monkeypatch.setattr(provisioning, "make_job", make_job)
    monkeypatch.setattr(provisioning, "planned", lambda job: it.asked.append("plan") or it.plan)
    monkeypatch.setattr(provisioning, "applied", lambda app, job: it.asked.append("apply") or it.run)
    return it


def plan_with(**values: Any) -> Plan:
    return Plan(**{"profile": "p", "profile_digest": "d", "roles": (), "changes": (), **values})


@pytest.mark.parametrize(("plan", "code"), [
    (plan_with(), 0), (plan_with(changes=(CHANGE,)), 1),
    (plan_with(changes=(CHANGE,), refusals=(Refusal("swap", "t", "r"),)), 1),
    (plan_with(refusals=(Refusal("swap", "t", "r"),)), 2), (plan_with(changes=(CHANGE,), failure="x"), 3),
])
def test_the_exit_code_of_a_plan(world: World, plan: Plan, code: int) -> None:
    world.plan = plan
    assert main(["plan"]) == code


def test_a_plan_names_the_one_command_that_applies_it(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    main(["plan", "--only", "sysctl,swap", "--profile", "a b.yml"])
    said = capsys.readouterr().out
    options = "--profile 'a b.yml' --only sysctl,swap"
    assert said.endswith(f"  sudo /opt/firstlight/bin/firstlight apply {options}\n")
    main(["plan", "-o", "json"])
    answer = json.loads(capsys.readouterr().out)
    assert answer["data"]["changes"][0]["target"] == "vm.swappiness"


def test_apply_with_yes_does_not_plan_first(world: World) -> None:
    assert main(["apply", "--yes", "--only", "sysctl", "--allow-disruption"]) == 0
    assert world.asked == [("job", ("sysctl",), True), "apply"]


def test_apply_without_a_terminal_needs_yes(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["apply"]) == 3
    assert "no terminal to ask at" in capsys.readouterr().err
    assert "apply" not in world.asked


def test_apply_without_root_says_sudo(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert main(["apply", "--yes"]) == 3
    assert "run: sudo /opt/firstlight/bin/firstlight apply" in capsys.readouterr().err


@pytest.mark.parametrize(("answer", "code", "asked"), [("n\n", 1, ["plan"]), ("y\n", 0, ["plan", "apply"])])
def test_apply_on_a_terminal_shows_the_plan_and_asks(
    world: World, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, asked: list[str]
) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True, readline=lambda: answer))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert main(["apply"]) == code
    assert world.asked[1:] == asked


@pytest.mark.parametrize(("outcome", "code"), [
    (Outcome.DONE, 0), (Outcome.FAILED, 1), (Outcome.REFUSED, 1), (Outcome.CANCELLED, 130)])
def test_the_exit_code_of_an_apply(world: World, outcome: Outcome, code: int) -> None:
    world.run = Run("1", "apply", "p", (), outcome, 0.0, 1.0, ())
    assert main(["apply", "--yes"]) == code


@pytest.mark.parametrize(("users", "flag", "rebooted"), [
    ((), [], True), (("python (7)",), [], False), (("python (7)",), ["--allow-disruption"], True)])
def test_a_reboot_waits_for_gpu_work(
    world: World, monkeypatch: pytest.MonkeyPatch, users: tuple[str, ...], flag: list[str], rebooted: bool
) -> None:
    done: list[str] = []
    world.run = Run("1", "apply", "p", (), Outcome.DONE, 0.0, 1.0, (), reboot_required=True)
    monkeypatch.setattr("agent.provision.reboot.gpu_users", lambda: users)
    monkeypatch.setattr("agent.provision.reboot.reboot", lambda: done.append("reboot"))
    main(["apply", "--yes", *flag])
    assert done == [], "only --allow-reboot reboots"
    main(["apply", "--yes", "--allow-reboot", *flag])
    assert bool(done) is rebooted


def test_fix_applies_only_the_role_that_repairs_and_looks_again(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.reports = [report(Verdict.FAIL, Remedy("sysctl")), report(Verdict.PASS, Remedy("sysctl"))]
    assert main(["fix", "kernel.sysctl", "--yes"]) == 0
    look = ("check", "deep", ("kernel.sysctl",))
    assert world.asked == [look, ("job", ("sysctl",), False), "apply", look]


def test_fix_prints_the_steps_of_what_only_a_person_can_do(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.reports = [report(Verdict.FAIL, Remedy(steps=("Shut down.", "Reseat the card.")))]
    assert main(["fix", "kernel.sysctl"]) == 1
    said = capsys.readouterr().out
    assert "kernel.sysctl (vm.swappiness): vm.swappiness is 60\n  1. Shut down.\n  2. Reseat" in said
    assert world.asked == [("check", "deep", ("kernel.sysctl",))]


def test_fix_of_something_healthy_changes_nothing(world: World) -> None:
    world.reports = [report(Verdict.PASS, Remedy("sysctl"))]
    assert main(["fix", "kernel.sysctl"]) == 0
    assert world.asked == [("check", "deep", ("kernel.sysctl",))]


def test_a_fix_that_does_not_help_fails(world: World) -> None:
    world.reports = [report(Verdict.FAIL, Remedy("sysctl"))] * 2
    assert main(["fix", "kernel.sysctl", "--yes", "-o", "json"]) == 1


def test_gpu_users_are_processes_with_a_gpu_open_but_not_the_desktop(tmp_path: Path) -> None:
    for pid, name, device in (("7", "python", "/dev/nvidia0"), ("8", "Xorg", "/dev/nvidia0"),
                              ("9", "smi", "/dev/nvidiactl"), ("10", "vllm", "/dev/nvidia-uvm")):
        (tmp_path / pid / "fd").mkdir(parents=True)
        (tmp_path / pid / "comm").write_text(name + "\n")
        (tmp_path / pid / "fd" / "3").symlink_to(device)
    assert set(gpu_users(tmp_path)) == {"python (7)", "vllm (10)"}
