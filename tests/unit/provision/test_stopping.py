"""Runs that are stopped or killed in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from agent.model.plan import Outcome
from agent.provision.apply import apply
from agent.provision.journal import find_interrupted
from agent.provision.plan import plan
from agent.provision.processes import marked
from agent.provision.stop import AFTER_TASK, AT_ONCE, Stop

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent.provision.job import Job
    from agent.provision.places import Places


def wait_until(happened: Callable[[], bool], what: str, timeout_s: float = 15) -> None:
    deadline = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < deadline, f"{what} did not appear"
        time.sleep(0.02)


def wait_for(path: Path) -> None:
    wait_until(path.exists, str(path))


def test_the_first_ctrl_c_stops_after_the_task_at_hand(
    job: Callable[..., Job], target: Path, places: Places
) -> None:
    said: list[str] = []

    def interrupt() -> None:
        wait_for(target / "slow-began")
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    run = apply(job("beta", "gamma", beta="slow"), places=places, say=said.append)
    thread.join()
    assert said == [AFTER_TASK]
    assert run.outcome is Outcome.CANCELLED
    assert (target / "trial").exists(), "the task at hand was finished"
    assert not (target / "gamma.conf").exists(), "the next one was not begun"
    assert [change.role for change in run.changes] == ["beta", "beta"]
    assert find_interrupted(places.runs) is None
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_second_ctrl_c_stops_at_once(job: Callable[..., Job], target: Path, places: Places) -> None:
    stop, said, asked = Stop(), list[str](), list[float]()

    def interrupt() -> None:
        wait_for(target / "slow-began")
        asked.append(time.monotonic())
        said.extend([stop.request(), stop.request()])

    thread = threading.Thread(target=interrupt)
    thread.start()
    run = apply(job("beta", "gamma", beta="slow"), places=places, stop=stop)
    thread.join()
    assert said == [AFTER_TASK, AT_ONCE]
    assert run.outcome is Outcome.CANCELLED
    assert not (target / "trial").exists()
    assert time.monotonic() - asked[0] < 5
    assert not marked(run.id)
    assert list(places.runtime.glob("run-*")) == []


def test_a_cancelled_plan_is_no_plan(job: Callable[..., Job], places: Places) -> None:
    stop = Stop()
    stop.request()
    with pytest.raises(KeyboardInterrupt):
        plan(job("gamma"), places=places, stop=stop)


KILLED = """
import sys
from pathlib import Path
from agent.provision.apply import apply
from agent.provision.job import Job
from agent.provision.places import Places
content, target, root = map(Path, sys.argv[1:])
apply(Job("test", "digest", ("beta", "gamma"), {"folder": str(target), "beta": "slow"}, content,
          privileged=False, needs_root=False), places=Places(root / "runtime", root / "state"))
"""


def test_the_run_after_kill_9_says_what_was_interrupted_waits_for_it_and_finishes(
    job: Callable[..., Job], content: Path, target: Path, places: Places, tmp_path: Path
) -> None:
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(content), str(target), str(tmp_path)])
    wait_for(target / "slow-began")
    wait_until(lambda: any('"role": "beta"' in it.read_text() for it in places.runs.glob("*/*")), "the journal's step")
    child.kill()
    child.wait()
    interrupted = find_interrupted(places.runs)
    assert interrupted is not None
    assert (interrupted.role, interrupted.task) == ("beta", "Do what it is told")
    assert list(places.runtime.glob("run-*")), "the killed run left its folder"
    time.sleep(0.3)
    alive = [it for it in marked(interrupted.run.id).values() if it.name.startswith("ansible-playboo")]
    assert len(alive) <= 1, "ansible-playbook went with us; only the worker of the last task may be left"
    said: list[str] = []
    run = apply(job("beta", "gamma"), places=places, say=said.append)
    assert run.outcome is Outcome.DONE
    assert said[0].startswith("the apply of ")
    assert "interrupted at beta: Do what it is told" in said[0]
    assert said[1].startswith("waiting for the interrupted run's last task: ")
    assert (target / "trial").exists(), "the task in flight was allowed to finish"
    assert [change.role for change in run.changes] == ["gamma"], "and was not done twice"
    assert (target / "gamma.conf").exists()
    assert not marked(interrupted.run.id)
    assert find_interrupted(places.runs) is None
    assert [path.name for path in places.runtime.iterdir()] == ["lock"]
