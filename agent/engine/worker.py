"""A forked process that runs checks one after another and shares what it read between them."""

from __future__ import annotations

import gc
import os
import pickle
import select
import signal
import struct
import sys
import time
from typing import TYPE_CHECKING, Any

from agent.engine.judgement import run_check, unknown_run
from agent.engine.sessions import end_session
from agent.machine.recorded import RecordingMachine

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.check import Check
    from agent.machine.api import Machine
    from agent.machine.recording import Answer, Question
    from agent.model.finding import CheckRun
    from agent.model.resolved import ResolvedProfile

    Reply = tuple[CheckRun, dict[Question, Answer]]

_ANSWER_LIMIT_BYTES = 64 << 20
_LENGTH = struct.Struct("!I")
_ORPHANED_AFTER_S = 30


class Worker:
    """The parent's hold on one worker. `running` is the check it is at, `deadline` on the monotonic clock."""

    def __init__(
        self, checks: Mapping[str, Check[Any]], machine: Machine, profile: ResolvedProfile, *, record: bool
    ) -> None:
        self._checks = checks
        self.running: str | None = None
        self.started = self.deadline = 0.0
        self._received = bytearray()
        tasks, self._tasks = os.pipe()
        self.replies, replies = os.pipe()
        # An interrupt between fork and _live would let the child run on in the parent's code.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            self.pid = os.fork()
            if self.pid == 0:
                _live(tasks, replies, checks, machine, profile, record=record)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(tasks)
        os.close(replies)
        os.set_blocking(self.replies, False)

    def begin(self, check_id: str, deadline: float) -> None:
        """Hand it a check; it must be idle."""
        self.running, self.started, self.deadline = check_id, time.monotonic(), deadline
        name = check_id.encode()
        try:
            os.write(self._tasks, _LENGTH.pack(len(name)) + name)
        except BrokenPipeError:
            return  # it died while idle: told when its replies end

    def receive(self) -> Reply | None:
        """Return the reply when it is complete; raises EOFError when the worker is gone."""
        while True:
            try:
                chunk = os.read(self.replies, 1 << 20)
            except BlockingIOError:
                return None
            if not chunk:
                raise EOFError
            self._received += chunk
            if len(self._received) < _LENGTH.size:
                continue
            end = _LENGTH.size + _LENGTH.unpack_from(self._received)[0]
            if len(self._received) >= end:
                reply: Reply = pickle.loads(self._received[_LENGTH.size:end])  # noqa: S301 - our own child's
                self._received.clear()
                self.running = None
                return reply

    def end(self, reason: str = "") -> CheckRun | None:
        """Kill it and what it started; returns the run of the check it was at: `reason`, or its death."""
        status = end_session(self.pid)
        self._close()
        if self.running is None:
            return None
        duration_s = time.monotonic() - self.started
        return unknown_run(self.running, self._checks[self.running], reason or _death(status), duration_s)

    def dismiss(self) -> None:
        """Let an idle worker go home; kill it when it does not."""
        self._close()
        exited = os.pidfd_open(self.pid)
        poll = select.poll()
        poll.register(exited, select.POLLIN)
        gone = poll.poll(200)
        os.close(exited)
        if gone:
            os.waitpid(self.pid, 0)
        else:
            end_session(self.pid)

    def _close(self) -> None:
        os.close(self._tasks)
        os.close(self.replies)


def _death(status: int | None) -> str:
    if status is None:
        return "the check's process broke off and has not ended yet"
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        return f"the check was killed by signal {-code}"
    return f"the check ended its own process (exit code {code})"


def _live(
    tasks: int, replies: int, checks: Mapping[str, Check[Any]], machine: Machine, profile: ResolvedProfile,
    *, record: bool,
) -> None:
    """Be the worker; never returns and never lets an exception into the parent's code."""
    code = 1
    try:
        _leave_home(tasks, replies)
        memory = RecordingMachine(machine)
        while header := os.read(tasks, _LENGTH.size):
            check_id = os.read(tasks, _LENGTH.unpack(header)[0]).decode()
            check = checks[check_id]
            signal.alarm(int(check.timeout_s) + _ORPHANED_AFTER_S)
            run = run_check(check_id, check, memory, profile)
            _reply(replies, check, run, memory.take_news() if record else {})
            signal.alarm(0)
        code = 0
    finally:
        os._exit(code)


def _leave_home(tasks: int, replies: int) -> None:
    """Own session, default signals, nothing of the parent's open, nothing said to its terminal."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    gc.disable()
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    sys.stdout = sys.stderr = os.fdopen(nothing, "w")
    kept = sorted((tasks, replies, nothing))
    for low, high in zip([2, *kept], [*kept, os.sysconf("SC_OPEN_MAX")], strict=True):
        os.closerange(low + 1, high)


def _reply(replies: int, check: Check[Any], run: CheckRun, answers: dict[Question, Answer]) -> None:
    try:
        message = pickle.dumps((run, answers))
        problem = "is too large" if len(message) > _ANSWER_LIMIT_BYTES else ""
    except (pickle.PicklingError, TypeError, AttributeError, RecursionError) as error:
        problem = f"is not made of plain values: {error}"
    if problem:
        excuse = unknown_run(run.check, check, f"the check's answer {problem}", run.duration_s)
        message = pickle.dumps((excuse, {}))
    view = memoryview(_LENGTH.pack(len(message)) + message)
    while view:
        view = view[os.write(replies, view):]
