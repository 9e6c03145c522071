"""Commands that are started before their answers are asked for, so that nobody waits for them."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from agent.machine.process import Started
from agent.machine.shortcuts import find_question
from agent.model.errors import Unobservable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from agent.machine.api import Machine
    from agent.machine.shortcuts import EngineQuestion

PATIENCE_S = 2.0
_BRIEFLY_S = 0.1


def usual_commands(machine: Machine, level: str, *, kept: bool = False) -> Iterator[tuple[str, ...]]:
    """Yield what nearly every look at a machine asks, at a level of checks (quick, standard, deep); the slowest first.

    `kept`: only at what roles keep. A generator, so that the first is at work while what the next needs is imported.
    """
    from agent.machine.systemd import MANAGER_ARGV, OTHERS, runs, units_argv

    if runs(machine):
        yield units_argv()
        if not kept:
            yield units_argv(OTHERS)
        yield MANAGER_ARGV
    from agent.machine.docker import INFO_ARGV, dockerd_runs

    if dockerd_runs(machine):
        yield INFO_ARGV
    from agent.machine.apt import settings_argv

    yield settings_argv()
    if level != "quick" and machine.privileged():
        from agent.machine.limits import SESSION_ARGV

        yield SESSION_ARGV


class Ahead:
    """Read-only commands at work. One that is not done when they are collected is asked again by who needs it."""

    def __init__(self, commands: Iterable[Sequence[str]]) -> None:
        self._started: list[Started | EngineQuestion] = []
        with suppress(Unobservable):  # of what decides on the commands: who needs it meets the same, and says so
            for argv in commands:
                with suppress(Unobservable):
                    self._started.append(find_question(argv, _BRIEFLY_S) or Started(argv))

    def end(self) -> None:
        """Kill and forget what nobody has collected."""
        while self._started:
            with suppress(Unobservable, TimeoutError):
                self._started.pop().result(0.0)

    def collect(self, machine: Machine) -> Machine:
        """Return `machine` with the answers that are there within PATIENCE_S; what still runs then is killed."""
        deadline = time.monotonic() + PATIENCE_S
        from agent.machine.recorded import RecordingMachine

        knowing = RecordingMachine(machine)
        while self._started:
            try:
                done = self._started.pop().result(deadline)
            except (Unobservable, TimeoutError):
                continue
            knowing.answers["run", *done.argv] = done
        return knowing
