"""Real runs of ansible in a temporary folder: a plan predicts what an apply makes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agent.desk.runs import Follower
from agent.model.errors import StateError, UsageError
from agent.model.plan import Outcome
from agent.provision.apply import apply
from agent.provision.journal import find_interrupted, load_run
from agent.provision.lock import held
from agent.provision.plan import plan, same_changes

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.provision.events import Step
    from agent.provision.job import Job
    from agent.provision.places import Places


def test_a_plan_predicts_exactly_what_the_apply_makes_and_the_next_plan_is_empty(
    job: Callable[..., Job], target: Path, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "s3cr3t-of-the-caller")
    steps: list[Step] = []
    planned = plan(job(), places=places)
    assert not list(target.iterdir()), "a plan changes nothing"
    made = apply(job(), places=places, on_step=steps.append)
    assert made.outcome is Outcome.DONE, made.failure
    assert same_changes(planned.changes, made.changes)
    assert {(it.role, it.task, it.target.removeprefix(str(target))) for it in made.changes} == {
        ("alpha", "Write a file", "/alpha.conf"), ("alpha", "Make some folders", "/east"),
        ("alpha", "Make some folders", "/west"), ("alpha", "Write a secret", ""),
        ("alpha", "Restart alpha", "/restarted"),
        ("beta", "Do what it is told", "/trial"), ("beta", "Do what it is told", "unit trial"),
        ("gamma", "Write the last file", "/gamma.conf"),
    }
    written = next(change for change in planned.changes if change.target.endswith("alpha.conf"))
    assert (written.before, written.after) == ("", "colour = blue\n")
    assert (steps[-1].role, steps[-1].task, steps[-1].number) == ("gamma", "Write the last file", 3)
    again = apply(job(), places=places)
    assert (again.outcome, again.changes) == (Outcome.DONE, ())
    assert plan(job(), places=places).changes == ()
    assert [path.name for path in places.runtime.iterdir()] == ["lock"], "the private folders are gone"
    assert load_run(next(iter(sorted(places.runs.iterdir())))) == made
    assert_nowhere(b"s3cr3t-of-the-caller", places, repr(made))
    assert_nowhere(b"pass-phrase", places, repr(made) + repr(planned))


def assert_nowhere(secret: bytes, places: Places, said: str) -> None:
    files = [path for root in (places.runtime, places.state) for path in root.rglob("*") if path.is_file()]
    assert not [path for path in files if secret in path.read_bytes()]
    assert secret.decode() not in said


def test_no_file_of_a_run_holds_the_callers_environment_while_it_runs(
    job: Callable[..., Job], places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "s3cr3t-of-the-caller")
    monkeypatch.setenv("ANSIBLE_STDOUT_CALLBACK", "nonsense")
    seen: dict[str, bytes] = {}

    def look(step: Step) -> None:
        seen.update({path.name: path.read_bytes() for path in places.runtime.rglob("*") if path.is_file()})
        assert all(path.stat().st_mode & 0o077 == 0 for path in places.runtime.glob("run-*"))
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
                environ = Path(f"/proc/{pid}/environ").read_bytes()
            except OSError:
                continue
            assert not (b"ansible-playbook" in command and b"s3cr3t" in environ)

    result = plan(job("gamma"), places=places, on_step=look)
    assert len(result.changes) == 1
    assert json.loads(seen["command"])["env"]["PATH"].startswith("/usr/local/sbin")
    assert not [name for name, text in seen.items() if b"s3cr3t-of-the-caller" in text]


def test_a_task_says_how_far_it_is_while_it_runs(job: Callable[..., Job], places: Places) -> None:
    steps: list[Step] = []
    seen: list[str] = []

    def step(now: Step) -> None:
        steps.append(now)
        seen.append(Follower(next(places.runs.iterdir())).look().far)

    made = apply(job("beta", "gamma", beta="tells"), places=places, on_step=step)
    assert made.outcome is Outcome.DONE, made.failure
    assert [now.far for now in steps if now.task == "Do what it is told"] == [
        "", "1.0 GB of 2.0 GB", "2.0 GB of 2.0 GB"]
    assert (steps[-1].role, steps[-1].far) == ("gamma", "")
    assert seen == [now.far for now in steps], "who looks from outside sees the same"


def test_a_role_that_fails_or_refuses_is_named_and_the_others_go_on(
    job: Callable[..., Job], target: Path, places: Places
) -> None:
    refused = apply(job("beta", "gamma", beta="refuse"), places=places)
    assert refused.outcome is Outcome.REFUSED
    assert [(it.role, it.task, it.reason) for it in refused.refusals] == [
        ("beta", "Do what it is told", "sdb is not blank: it holds an ext4 filesystem")]
    assert (target / "gamma.conf").exists()
    failed = apply(job("beta", "gamma", beta="fail"), places=places)
    assert failed.outcome is Outcome.FAILED
    assert failed.failure == "beta: Do what it is told: it broke"


def test_a_handler_that_fails_is_named_and_the_later_roles_go_on(
    job: Callable[..., Job], target: Path, places: Places
) -> None:
    run = apply(job("alpha", "gamma", restart="nonsense"), places=places)
    assert run.outcome is Outcome.FAILED
    assert run.failure.startswith("alpha: Restart alpha: value of state must be one of")
    assert (target / "gamma.conf").exists()


def test_a_plan_without_root_says_what_it_could_not_see(job: Callable[..., Job], places: Places) -> None:
    planned = plan(job("beta", beta="denied"), places=places)
    assert [(it.role, it.reason) for it in planned.refusals] == [
        ("beta", "needs root to look: /dev/sdb: Permission denied")]
    assert planned.failure == ""


def test_a_plan_that_cannot_be_made_says_why(job: Callable[..., Job], places: Places, tmp_path: Path) -> None:
    broken = job("gamma")
    (tmp_path / "site.yml").write_text("- hosts: all\n  tasks: [{nonsense: 1, also: 2}]\n")
    from dataclasses import replace

    planned = plan(replace(broken, content=tmp_path), places=places)
    assert planned.failure.startswith("ansible ended with code 4")
    assert "site.yml" in planned.failure


def test_reboot_is_reported_when_a_role_asks_for_it(job: Callable[..., Job], places: Places) -> None:
    assert apply(job("beta", beta="reboot"), places=places).reboot_required


def test_apply_needs_root(job: Callable[..., Job], places: Places) -> None:
    from dataclasses import replace

    with pytest.raises(UsageError, match="needs root"):
        apply(replace(job(), needs_root=True), places=places)


def test_a_second_run_is_told_who_is_at_work(job: Callable[..., Job], places: Places) -> None:
    with held(places.lock, "apply of everything"):
        with pytest.raises(StateError, match=rf"pid {os.getpid()}, since .*, doing: apply of everything"):
            apply(job("gamma"), places=places)
        with pytest.raises(StateError, match="another run is active"):
            plan(job("gamma"), places=places)
    assert find_interrupted(places.runs) is None
