"""The seam under the screens: worker processes, journals of applies, the GPU feed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.app import App
from agent.desk.children import Child, is_alive
from agent.desk.desk import Desk
from agent.desk.runs import Follower, find_active, find_of_process
from agent.model.errors import FirstlightError, UsageError
from agent.model.job import REMOTE, JobLine
from agent.model.plan import Change, Outcome, Refusal, Run
from agent.provision.journal import Journal
from agent.state.history import History
from agent.state.jobs import JobHistory
from tests.nvml.fixtures import stand_in
from tests.nvml.stand_in import StandIn
from tui.demo import FOLDER, NAMES

__all__ = ["stand_in"]
CHANGE = Change("sysctl", "Set", "vm.swappiness", "60", "10")
SLEEPER = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"


def never() -> bool:
    return False


def begun(runs: Path, pid: int) -> Journal:
    run = Run(f"20260101T000000.000Z-apply-{pid}", "apply", "test", ("base", "sysctl"), Outcome.RUNNING, 5.0, 0.0, ())
    return Journal(runs, run)


def test_a_recording_is_looked_at_and_checked_in_processes_of_their_own() -> None:
    desk = Desk(capture=str(FOLDER / "spark.json"))
    look = desk.look()
    assert (look.hostname, look.unified, look.problem) == ("spark-1", True, "")
    assert look.values
    assert all(value.origin for value in look.values)
    told: list[str] = []
    report = desk.check("quick", ("kernel",), lambda said: told.append(str(said["event"])), never, keep=True)
    assert told.count("done") == len(report.runs) > 3
    assert "cannot" not in told


@pytest.mark.parametrize("name", [f"{machine}{state}" for machine in NAMES for state in ("", "-repaired")])
def test_the_demo_machines_answer_what_is_asked_today(name: str) -> None:
    app = App(capture=str(FOLDER / f"{name}.json"))
    reports = (app.check(level="deep").findings, app.drift.look(against=("profile",), save=False).unseen.values())
    told = [finding.summary for finding in reports[0]] + list(reports[1])
    assert [text for text in told if "not in the recording" in text] == [], "run: python -m tests.tui.make_demo"


def test_a_recording_is_never_planned_or_changed() -> None:
    desk = Desk(capture=str(FOLDER / "spark.json"))
    assert "recording" in desk.obstacle
    with pytest.raises(UsageError, match="recording"):
        desk.apply(())
    with pytest.raises(UsageError, match="recording"):
        desk.plan((), lambda said: None, never)


def test_without_root_there_is_an_obstacle_that_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "sudo firstlight tui" in Desk().obstacle


def test_the_machine_as_it_is_is_accepted_as_the_baseline_with_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(tmp_path))
    monkeypatch.setenv("SUDO_USER", "ada")
    Desk().accept_drift("new disks")
    seen = Desk().drift(never)
    assert "by ada: new disks" in seen.baseline
    with pytest.raises(UsageError, match="recorded"):
        Desk(capture="x.json").accept_drift("why not")


def test_a_smoke_job_runs_in_a_process_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(tmp_path))
    told: list[object] = []
    report = Desk().smoke(("nvidia-smi",), lambda said: told.append(said.get("check")), never)
    assert [run.check for run in report.runs] == ["smoke.nvidia-smi"]
    assert told.count("smoke.nvidia-smi") == 2


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobHistory]:
    """The results of smoke jobs that the desk will see."""
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(tmp_path))
    with History(tmp_path) as history:
        yield JobHistory(history)


def test_kept_results_of_smoke_jobs_stand_beside_the_first_day(jobs: JobHistory) -> None:
    for day, speed in ((0, 800.0), (3, 600.0)):
        when = 1e9 + day * 86400
        jobs.add(JobLine("host", "bandwidth", "GPU-1", "bf16", when, 1.0, "pass", {"tflops": speed}, {}))
    (proof,) = Desk().proofs("host")
    assert [line.figures["tflops"] for line in proof.lines] == [800.0, 600.0]
    assert proof.first_day == {"tflops": 800.0}
    assert Desk().proofs("another") == []


def test_a_card_that_the_newest_run_did_not_see_no_longer_counts(jobs: JobHistory) -> None:
    for when, subject, verdict in ((9.0, "GPU-replaced", "fail"), (2.0, "GPU-1", "pass"), (2.0, "GPU-2", "pass")):
        jobs.add(JobLine("host", "bandwidth", subject, "bf16", when, 1.0, verdict, {}, {}))
    jobs.add(JobLine("host", "vllm", "", f"{REMOTE} H200", 3.0, 1.0, "fail", {}, {}))
    assert {proof.subject: proof.current for proof in Desk().proofs("host")} == {
        "GPU-replaced": False, "GPU-1": True, "GPU-2": True}


def test_a_kept_run_is_told_with_its_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(tmp_path))
    change, refusal = Change("sysctl", "Set", "vm.swappiness", "60", "10"), Refusal("disk", "Format", "not blank")
    run = Run("1", "apply", "lab", ("sysctl", "disk"), Outcome.REFUSED, 1e9, 1e9 + 5, (change,), (refusal,))
    with History(tmp_path) as history:
        number = history.add_run(run, "host")
    assert Desk().run(number) == run
    with pytest.raises(FirstlightError, match="not in the history"):
        Desk().run(number + 1)


def test_what_a_worker_could_not_do_is_an_error_with_its_words(tmp_path: Path) -> None:
    with pytest.raises(FirstlightError, match="cannot be read"):
        Desk(capture=str(tmp_path / "none.json")).look()


def test_a_cancelled_child_is_ended_with_what_it_does() -> None:
    child = Child("-c", SLEEPER)
    assert list(child.objects(lambda: True)) == []
    assert child.end() is not None
    assert not Path(f"/proc/{child.pid}").exists()


def test_a_journal_is_followed_to_its_end(tmp_path: Path) -> None:
    journal = begun(tmp_path, os.getpid())
    follower = Follower(journal.folder)
    assert (follower.look().outcome, follower.look().roles) == (Outcome.RUNNING, ("base", "sysctl"))
    journal.note("step", role="sysctl", task="Set")
    journal.note("change", change={"role": "sysctl", "task": "Set", "target": "vm.swappiness", "before": "60",
                                   "after": "10"})
    seen = follower.look()
    assert (seen.role, seen.task, seen.share, seen.changes) == ("sysctl", "Set", 0.5, (CHANGE,))
    journal.close(Run(journal.folder.name, "apply", "test", ("base", "sysctl"), Outcome.DONE, 5.0, 9.0, (CHANGE,)))
    ended = follower.look()
    assert (ended.outcome, ended.share, ended.changes, ended.lines) == (Outcome.DONE, 1.0, (CHANGE,), seen.lines)


def test_half_a_line_is_read_when_it_is_whole(tmp_path: Path) -> None:
    journal = begun(tmp_path, os.getpid())
    follower = Follower(journal.folder)
    line = json.dumps({"at": 1.0, "kind": "step", "role": "base", "task": "Update"}) + "\n"
    with (journal.folder / "journal.jsonl").open("a") as out:
        out.write(line[:20])
        out.flush()
        assert follower.look().task == ""
        out.write(line[20:])
    assert follower.look().task == "Update"


def test_a_running_apply_is_found_again_and_a_killed_one_is_told_as_interrupted(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as sleeper:
        journal = begun(tmp_path, sleeper.pid)
        assert find_active(tmp_path) == journal.folder == find_of_process(tmp_path, sleeper.pid)
        sleeper.kill()
    assert find_active(tmp_path) is None
    assert Follower(journal.folder).look().outcome is Outcome.INTERRUPTED


def test_a_detached_command_goes_on_when_its_starter_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    starter = (f"import sys, time; from pathlib import Path; from agent.desk import children; "
               f"children._COMMAND = {SLEEPER!r}; children.start_detached(['apply'], Path({str(log)!r})); "
               "time.sleep(60)")
    with subprocess.Popen([sys.executable, "-c", starter], start_new_session=True) as process:
        end = time.monotonic() + 20
        while not (log.exists() and log.read_text().strip()) and time.monotonic() < end:
            time.sleep(0.05)
        pid = int(log.read_text())
        os.killpg(process.pid, signal.SIGKILL)
    try:
        assert is_alive(pid)
        assert os.getsid(pid) == pid
    finally:
        os.kill(pid, signal.SIGKILL)


def test_an_apply_that_cannot_begin_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.desk.children._COMMAND", "import sys; sys.exit('no such profile')")
    monkeypatch.setattr("agent.provision.places.places", lambda: _Places(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("agent.provision.places.make_private", lambda folder: folder)
    with pytest.raises(FirstlightError, match="no such profile"):
        Desk().apply(())


class _Places:
    def __init__(self, folder: Path) -> None:
        self.runtime, self.runs = folder, folder / "runs"


def test_the_feed_tells_every_card_each_time_and_ends_its_process(stand_in: StandIn) -> None:
    stand_in.use("h100x8").add("gpu1.utilization = 77,3", "gpu1.event_reasons = 0x44")
    samples = Desk().samples(0.1, never)
    first, second = next(samples), next(samples)
    assert [len(sample.cards) for sample in (first, second)] == [8, 8]
    card = second.cards[1]
    assert card.gpu.numbers("utilization_percent", 2) == (77, 3)
    assert card.reasons == ("hardware thermal slowdown", "at its power limit")
    stand_in.add("gpu1.utilization = 5,0")
    assert any(next(samples).cards[1].gpu.numbers("utilization_percent", 2) == (5, 0) for _ in range(20))
    samples.close()  # type: ignore[attr-defined]


def test_a_driver_that_hangs_is_told_and_holds_nobody_up(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.desk.feed.SILENT_AFTER_S", 0.5)
    stand_in.use("rtx4090").add("hang.nvmlDeviceGetTemperature = -1")
    (sample,) = Desk().samples(0.1, never)
    assert "gpu.responds" in sample.trouble


def test_a_machine_without_a_driver_says_so(stand_in: StandIn) -> None:
    stand_in.use("rtx4090", "driver-not-loaded")
    samples = Desk().samples(0.1, never)
    assert "not loaded" in next(samples).trouble


def test_importing_the_screens_loads_nothing_that_only_workers_need() -> None:
    program = ("import sys, tui.app, tui.demo; print([name for name in "
               "('ansible_runner', 'docker', 'pydantic', 'prometheus_client', 'yaml', 'psutil', 'pynvml') "
               "if name in sys.modules])")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
