"""Runs checks in worker processes: a check that hangs, crashes or is killed costs nobody else anything."""

from __future__ import annotations

import select
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agent.check import Level
from agent.engine.judgement import unknown_run
from agent.engine.worker import Worker
from agent.machine.process import reap_abandoned
from agent.machine.recording import merge_answers
from agent.model.errors import FirstlightError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agent.check import Check
    from agent.machine.api import Machine
    from agent.machine.recording import Answer, Question
    from agent.model.finding import CheckRun
    from agent.model.resolved import ResolvedProfile


@dataclass(frozen=True, slots=True)
class Results:
    """The runs by check id, and (when asked to record) every answer the machine gave."""

    runs: tuple[CheckRun, ...]
    answers: dict[Question, Answer] = field(default_factory=dict)


def run_checks(
    checks: Mapping[str, Check[Any]], machine: Machine, profile: ResolvedProfile, level: Level, *,
    on_start: Callable[[str], None] | None = None, on_done: Callable[[CheckRun], None] | None = None,
    jobs: int = 1, budget_s: float | None = None, record: bool = False,
) -> Results:
    """Return what the checks up to `level` found on the machine, in the order of their ids.

    `jobs` workers share the quick and standard checks (one is cheapest: everything is read once); deep checks
    load the machine and run alone afterwards. `budget_s` bounds the whole run in seconds. The callbacks run
    in the caller's process. The caller must be a single thread: this forks.
    """
    chosen = {check_id: checks[check_id] for check_id in sorted(checks) if checks[check_id].level <= level}
    light = [check_id for check_id, check in chosen.items() if check.level < Level.DEEP]
    deep = [check_id for check_id, check in chosen.items() if check.level >= Level.DEEP]
    pool = _Pool(chosen, lambda: Worker(chosen, machine, profile, record=record), on_start, on_done, budget_s)
    pool.run(light, max(1, jobs))
    pool.run(deep, 1)
    return Results(tuple(pool.runs[check_id] for check_id in chosen), pool.answers)


class _Pool:
    """The state of one run: workers, what waits for them, what they said."""

    def __init__(
        self, checks: Mapping[str, Check[Any]], hire: Callable[[], Worker],
        on_start: Callable[[str], None] | None, on_done: Callable[[CheckRun], None] | None,
        budget_s: float | None,
    ) -> None:
        self._checks, self._hire = checks, hire
        self._on_start, self._on_done = on_start, on_done
        self._budget_s = budget_s
        self._end = time.monotonic() + budget_s if budget_s is not None else float("inf")
        self._workers: list[Worker] = []
        self._waiting: deque[str] = deque()
        self.runs: dict[str, CheckRun] = {}
        self.answers: dict[Question, Answer] = {}

    def run(self, check_ids: Sequence[str], jobs: int) -> None:
        """Run these checks with at most `jobs` workers; no worker is left afterwards."""
        self._waiting.extend(check_ids)
        try:
            while self._waiting or any(worker.running for worker in self._workers):
                self._hand_out(jobs)
                self._wait()
                self._end_the_late()
            while self._workers:
                self._workers.pop().dismiss()
        finally:
            for worker in self._workers:
                worker.end()
            self._workers.clear()
            reap_abandoned()

    def _hand_out(self, jobs: int) -> None:
        while self._waiting and time.monotonic() >= self._end:
            check_id = self._waiting.popleft()
            reason = f"not run: the {self._budget_s:g} s for all checks were over"
            self._done(unknown_run(check_id, self._checks[check_id], reason, 0.0))
        while self._waiting and (worker := self._idle(jobs)) is not None:
            check_id = self._waiting.popleft()
            if self._on_start is not None:
                self._on_start(check_id)
            worker.begin(check_id, min(time.monotonic() + self._checks[check_id].timeout_s, self._end))

    def _idle(self, jobs: int) -> Worker | None:
        """Return a worker with nothing to do, a new one while there are fewer than `jobs`, else None."""
        for worker in self._workers:
            if worker.running is None:
                return worker
        if len(self._workers) >= jobs:
            return None
        try:
            self._workers.append(self._hire())
        except OSError as error:
            raise FirstlightError(f"cannot start a process for the checks: {error.strerror}",
                                  "Free some memory or processes and run it again.") from error
        return self._workers[-1]

    def _wait(self) -> None:
        """Wait for a reply, a death or the next deadline, and take what came."""
        busy = {worker.replies: worker for worker in self._workers if worker.running is not None}
        if not busy:
            return
        poll = select.poll()
        for replies in busy:
            poll.register(replies, select.POLLIN)
        left_s = min(worker.deadline for worker in busy.values()) - time.monotonic()
        for replies, _ in poll.poll(max(0.0, left_s) * 1000 + 1):
            self._receive(busy[replies])

    def _receive(self, worker: Worker) -> None:
        try:
            reply = worker.receive()
        except EOFError:
            self._retire(worker)
            return
        if reply is not None:
            self.answers = merge_answers(self.answers, reply[1])
            self._done(reply[0])

    def _end_the_late(self) -> None:
        now = time.monotonic()
        for worker in tuple(self._workers):
            if worker.running is not None and now >= worker.deadline:
                self._retire(worker, f"no answer within {worker.deadline - worker.started:.3g} s")

    def _retire(self, worker: Worker, reason: str = "") -> None:
        self._workers.remove(worker)
        run = worker.end(reason)
        if run is not None:
            self._done(run)

    def _done(self, run: CheckRun) -> None:
        self.runs[run.check] = run
        if self._on_done is not None:
            self._on_done(run)
