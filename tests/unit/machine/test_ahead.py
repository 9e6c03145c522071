"""Commands started ahead: their answers are used once they are there, and nobody waits long for them."""

from __future__ import annotations

import os
import time

from agent.machine import ahead
from agent.machine.ahead import Ahead, usual_commands
from agent.machine.apt import settings_argv
from agent.machine.docker import INFO_ARGV, PID_FILE
from agent.machine.limits import SESSION_ARGV
from agent.machine.local import LocalMachine
from agent.machine.process import abandoned, reap_abandoned
from agent.machine.systemd import MANAGER_ARGV, OTHERS, units_argv
from agent.model.errors import Unobservable
from tests.fixtures import FakeMachine

NOBODY = FakeMachine()


def test_what_was_started_is_not_asked_again() -> None:
    machine = Ahead([("sh", "-c", "echo seen; exit 3")]).collect(NOBODY)
    done = machine.run(("sh", "-c", "echo seen; exit 3"), ok=(3,))
    assert (done.out, done.code) == ("seen\n", 3)


def test_what_was_not_started_is_asked_of_the_machine() -> None:
    machine = Ahead([]).collect(FakeMachine(commands={("uname", "-m"): "riscv64\n"}))
    assert machine.run(["uname", "-m"]).out == "riscv64\n"


def test_a_slow_one_is_ended_and_left_to_who_needs_it(monkeypatch) -> None:
    monkeypatch.setattr(ahead, "PATIENCE_S", 0.05)
    command = ("sh", "-c", "echo $$; sleep 60")
    machine = Ahead([command]).collect(FakeMachine(commands={command: "asked"}))
    assert machine.run(command).out == "asked"
    reap_abandoned()
    assert not abandoned


def test_one_that_is_not_installed_is_left_to_who_needs_it() -> None:
    machine = Ahead([("no-such-command",)]).collect(FakeMachine(commands={("no-such-command",): "asked"}))
    assert machine.run(("no-such-command",)).out == "asked"


def test_a_machine_that_cannot_be_asked_what_to_start_starts_nothing() -> None:
    blind = FakeMachine(errors={"/run/systemd/system": Unobservable("no"), PID_FILE: Unobservable("no")})
    assert Ahead(usual_commands(blind, "standard")).collect(blind).clock() == blind.clock()


def test_no_handle_stays_open() -> None:
    before = len(os.listdir("/proc/self/fd"))
    Ahead([("true",), ("no-such-command",)]).collect(NOBODY)
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_nobody_collects_is_ended() -> None:
    before = len(os.listdir("/proc/self/fd"))
    started = Ahead([("sleep", "60"), ("true",)])
    began = time.monotonic()
    started.end()
    reap_abandoned()
    assert not abandoned
    assert time.monotonic() - began < 5
    assert len(os.listdir("/proc/self/fd")) == before


def test_they_run_at_the_same_time_as_we_do() -> None:
    started = Ahead([("sleep", "0.3"), ("sleep", "0.3")])
    time.sleep(0.4)
    began = time.monotonic()
    machine = started.collect(LocalMachine())
    machine.run(("sleep", "0.3"))
    assert time.monotonic() - began < 0.2


def test_the_usual_ones_are_those_a_level_needs() -> None:
    systemd = FakeMachine(folders=("/run/systemd/system",))
    assert list(usual_commands(systemd, "quick", kept=True)) == [units_argv(), MANAGER_ARGV, settings_argv()]
    assert units_argv(OTHERS) in usual_commands(systemd, "quick")
    assert SESSION_ARGV in usual_commands(systemd, "standard")
    assert SESSION_ARGV not in usual_commands(FakeMachine(privileged=False), "standard")
    docker = FakeMachine({PID_FILE: "7\n", "/proc/7/comm": "dockerd\n"})
    assert list(usual_commands(docker, "quick")) == [INFO_ARGV, settings_argv()], "an engine that is down stays down"
    assert list(usual_commands(FakeMachine(), "quick")) == [settings_argv()]
