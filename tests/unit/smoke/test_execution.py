from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from agent.model.units import MIB
from agent.smoke.execution import Bounds, run_bounded

REPOSITORY = Path(__file__).resolve().parents[3]
BOUNDS = Bounds(time_s=20, memory_bytes=256 * MIB, disk_bytes=8 * MIB)


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def alive(mark: str) -> bool:
    return subprocess.run(["pgrep", "-f", f"^sleep {mark}"], capture_output=True).returncode == 0


def gone(mark: str, within_s: float = 8) -> bool:
    deadline = time.monotonic() + within_s
    while alive(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(mark)


# A grandchild in a session of its own whose parent has ended: what a group kill misses.
ORPHAN = "setsid sh -c 'setsid sleep {mark} & setsid sleep {mark} &' ; "


def test_output_code_and_cost_are_told(tmp_path):
    ended = run_bounded(["sh", "-c", "echo out; echo err >&2; pwd; exit 3"], BOUNDS)
    assert (ended.how, ended.code, ended.err, ended.left) == ("exit", 3, "err\n", 0)
    assert ended.out.startswith(f"out\n{tmp_path}/firstlight-smoke-")
    assert 0 < ended.wall_s < 10
    assert ended.words(BOUNDS) == "ended with exit code 3"


def test_nothing_is_left_of_its_folder(tmp_path):
    run_bounded(["sh", "-c", "echo x > file; mkdir d; chmod 500 d"], BOUNDS)
    assert list(tmp_path.iterdir()) == []


# A process that lives, and below it one that has ended and is not collected.
DEAD_BELOW = """
import os, time
told, tell = os.pipe()
if os.fork() == 0:
    dead = os.fork()
    if dead == 0:
        os._exit(0)
    os.waitid(os.P_PID, dead, os.WEXITED | os.WNOWAIT)
    os.write(tell, b"x")
    time.sleep(60)
os.read(told, 1)
"""


def test_what_has_ended_by_itself_is_not_counted_as_left():
    assert run_bounded(python(DEAD_BELOW), BOUNDS).left == 1


def test_orphans_in_other_sessions_die_with_the_job_and_are_counted():
    mark = f"{os.getpid()}.01"
    ended = run_bounded(["sh", "-c", ORPHAN.format(mark=mark) + "sleep 0.3; echo done"], BOUNDS)
    assert (ended.how, ended.out) == ("exit", "done\n")
    assert ended.left >= 2
    assert not alive(mark)


def test_a_late_job_is_stopped_with_all_its_orphans():
    mark = f"{os.getpid()}.02"
    bounds = Bounds(0.6, 256 * MIB, MIB)
    ended = run_bounded(["sh", "-c", f"trap '' TERM; {ORPHAN.format(mark=mark)} sleep {mark}"], bounds)
    assert ended.how == "time"
    assert ended.words(bounds) == "was stopped after 0.6 s, its time limit"
    assert not alive(mark)


def test_a_job_over_its_memory_is_stopped():
    code = "import time\nkept=[]\nwhile True:\n kept.append(bytearray(8<<20)); time.sleep(0.02)"
    ended = run_bounded(python(code), BOUNDS)
    assert ended.how == "memory"
    assert 256 * MIB < ended.peak_memory_bytes < 600 * MIB


@pytest.mark.parametrize("code", ["open('one','wb').write(bytes(32<<20))",
                                  "import time\nfor n in range(99):\n open(f'f{n}','wb').write(bytes(1<<20))\n"
                                  "time.sleep(9)"])
def test_a_job_over_its_disk_is_stopped(code):
    ended = run_bounded(python(code), BOUNDS)
    assert ended.how == "disk" or "File too large" in ended.err
    assert ended.code != 0 or ended.how == "disk"


def test_what_cannot_be_started_says_so():
    ended = run_bounded(["/no/such/program"], BOUNDS)
    assert (ended.how, ended.code) == ("exit", 127)
    assert "No such file" in ended.err


def test_input_and_environment_reach_the_job(tmp_path):
    given = tmp_path / "script.py"
    given.write_text("import os; print(os.environ['LIGHT'])")
    ended = run_bounded([sys.executable, "-"], BOUNDS, stdin=str(given), env={"LIGHT": "first"})
    assert ended.out == "first\n"


def test_after_commands_run_however_it_ends(tmp_path):
    for code in ("exit 0", "sleep 60"):
        run_bounded(["sh", "-c", code], Bounds(0.3, MIB * 64, MIB), after=[["touch", str(tmp_path / "cleaned")]])
        assert (tmp_path / "cleaned").exists()
        (tmp_path / "cleaned").unlink()


def test_lines_on_stderr_are_told_while_it_runs():
    told: list[str] = []
    run_bounded(["sh", "-c", "for n in 1 2 3; do echo step $n >&2; sleep 0.5; done"], BOUNDS, on_line=told.append)
    assert told[:2] == ["step 1", "step 2"]


def test_endless_output_does_not_hang_or_hide_the_end():
    ended = run_bounded(["sh", "-c", "head -c 3000000 /dev/zero; echo end"], BOUNDS)
    assert ended.out.endswith("end\n")
    assert len(ended.out) <= 1 << 19


def starter(tmp_path: Path, mark: str) -> subprocess.Popen[bytes]:
    """A process that runs a job with orphans and can be killed."""
    code = (f"import tempfile; tempfile.tempdir={str(tmp_path)!r}\n"
            "from agent.smoke.execution import *\n"
            f"run_bounded(['sh','-c',{(ORPHAN.format(mark=mark) + f'sleep {mark}')!r}], Bounds(60, 1<<28, 1<<20),"
            f" after=[['touch', {str(tmp_path / 'cleaned')!r}]])\n")
    started = subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 10
    while not alive(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert alive(mark)
    time.sleep(0.3)
    return started


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_job_dies_with_whoever_runs_it(tmp_path, number):
    mark = f"{os.getpid()}.{30 + number}"
    started = starter(tmp_path, mark)
    started.send_signal(number)
    started.wait(10)
    assert gone(mark)
    deadline = time.monotonic() + 5
    while list(tmp_path.glob("firstlight-*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [path.name for path in tmp_path.iterdir()] == ["cleaned"]


def test_a_job_dies_when_its_warden_is_killed(tmp_path):
    mark = f"{os.getpid()}.77"
    started = starter(tmp_path, mark)
    outer = int(subprocess.run(["pgrep", "-P", str(started.pid)], capture_output=True, text=True).stdout.split()[0])
    os.kill(outer, signal.SIGKILL)
    assert gone(mark)
    started.wait(10)


def test_ctrl_c_in_this_process_ends_the_job():
    mark = f"{os.getpid()}.88"
    threading.Timer(1.0, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        run_bounded(["sh", "-c", ORPHAN.format(mark=mark) + f"sleep {mark}"], BOUNDS)
    assert gone(mark)
