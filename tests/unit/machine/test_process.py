from __future__ import annotations

import os
import signal
import time

import pytest

from agent.machine import process
from agent.machine.local import LocalMachine
from agent.machine.process import run_command
from agent.model.errors import Missing, Unobservable
from tests.processes import gone


def test_output_and_exit_code_are_returned_apart():
    done = run_command(["sh", "-c", "echo out; echo err >&2; exit 3"], 5)
    assert (done.argv[0], done.code, done.out, done.err) == ("sh", 3, "out\n", "err\n")


def test_a_command_killed_by_a_signal_has_a_negative_code():
    assert run_command(["sh", "-c", "kill -9 $$"], 5).code == -signal.SIGKILL


@pytest.mark.parametrize("name", ["no-such-command-here", "/no/such/command"])
def test_a_command_that_is_not_there_is_missing(name):
    with pytest.raises(Missing, match=f"{name}: command not found"):
        run_command([name], 5)


def test_a_file_that_cannot_run_is_unobservable(tmp_path):
    script = tmp_path / "script"
    script.write_bytes(b"\x7fELF not really")
    script.chmod(0o755)
    with pytest.raises(Unobservable, match="cannot be started: Exec format error"):
        run_command([str(script)], 5)


def test_a_late_command_is_killed_with_its_whole_group():
    mark = f"{os.getpid()}.5"
    started = time.monotonic()
    with pytest.raises(Unobservable, match=r"no answer within 0\.2 s"):
        run_command(["sh", "-c", f"trap '' TERM; sleep {mark} & sleep {mark}"], 0.2)
    assert time.monotonic() - started < 1.5
    assert gone(f"sleep {mark}")


def test_what_a_command_leaves_behind_is_killed_and_not_waited_for():
    mark = f"{os.getpid()}.125"
    started = time.monotonic()
    assert run_command(["sh", "-c", f"echo done; sleep {mark} &"], 10).out == "done\n"
    assert time.monotonic() - started < 5
    assert gone(f"sleep {mark}")


def test_endless_output_is_unobservable_and_ends_the_command():
    started = time.monotonic()
    with pytest.raises(Unobservable, match="yes: more than 4 MiB of output"):
        run_command(["yes"], 30)
    assert time.monotonic() - started < 10


def test_large_output_on_both_pipes_does_not_block():
    done = run_command(["sh", "-c", "head -c 2000000 /dev/zero | tee /dev/stderr"], 20)
    assert (len(done.out), len(done.err)) == (2_000_000, 2_000_000)


def test_a_command_that_closes_its_output_is_still_waited_for():
    assert run_command(["sh", "-c", "exec >&- 2>&-; sleep 0.2; exit 4"], 5).code == 4


def test_the_environment_is_ours_alone(monkeypatch):
    monkeypatch.setenv("NGC_API_KEY", "x")
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    monkeypatch.setenv("PATH", "/nowhere")
    names = {line.partition("=")[0] for line in run_command(["env"], 5).out.splitlines()}
    assert names == {"PATH", "LC_ALL", "HOME"}
    assert "/usr/sbin" in run_command(["printenv", "PATH"], 5).out


def test_there_is_no_input_and_a_group_of_its_own():
    assert run_command(["cat"], 5).out == ""
    group = int(run_command(["sh", "-c", "cut -d' ' -f5 /proc/$$/stat"], 5).out)
    assert group != os.getpgrp()


def test_undecodable_output_is_replaced_and_never_raises():
    assert run_command(["printf", r"\377x"], 5).out == "\ufffdx"


def test_no_descriptor_and_no_child_is_left():
    before = sorted(os.listdir("/proc/self/fd"))
    for argv in (["true"], ["no-such-command"], ["sleep", "60"], ["yes"]):
        try:
            run_command(argv, 0.1)
        except Unobservable:
            continue
    assert len(os.listdir("/proc/self/fd")) == len(before)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_command_that_cannot_be_killed_is_left_behind_and_reaped_later(monkeypatch):
    started = time.monotonic()
    with monkeypatch.context() as patch:
        patch.setattr(process, "_kill_group", lambda pid: None)
        with pytest.raises(Unobservable, match="no answer within"):
            run_command(["sleep", "0.8"], 0.1)
    assert time.monotonic() - started < 0.7
    assert len(process.abandoned) == 1
    time.sleep(0.8)
    run_command(["true"], 5)
    assert not process.abandoned


def test_an_exit_code_that_was_not_expected_is_unobservable_with_the_complaint():
    machine = LocalMachine()
    with pytest.raises(Unobservable, match=r"sh -c .*: exit code 3: why"):
        machine.run(["sh", "-c", "echo why >&2; echo more >&2; exit 3"])
    with pytest.raises(Unobservable, match="killed by signal 15"):
        machine.run(["sh", "-c", "kill $$"])
    assert machine.run(["false"], ok=(0, 1)).code == machine.run(["false"], ok=None).code == 1
