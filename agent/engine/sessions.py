"""Ends a process together with everything it started."""

from __future__ import annotations

import os
import signal
import time

from agent.machine.process import abandoned, reap_abandoned

_GRACE_S = 0.5
_STEP_S = 0.005


def end_session(leader: int) -> int | None:
    """Kill a child of ours that leads a session, with all its descendants, and reap it.

    Returns its wait status, or None when it cannot die within 0.5 s (uninterruptible sleep): it is then left
    behind and reaped at a later call.
    """
    reap_abandoned()
    _signal(leader, signal.SIGSTOP)
    deadline = time.monotonic() + _GRACE_S
    known = {leader}
    while alive := _members(known):
        known |= alive
        for pid in alive:
            _signal(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            break
        time.sleep(_STEP_S)
    _signal(leader, signal.SIGKILL)
    return _reap(leader, deadline)


def _reap(pid: int, deadline: float) -> int | None:
    while True:
        reaped, status = os.waitpid(pid, os.WNOHANG)
        if reaped:
            return status
        if time.monotonic() > deadline:
            abandoned.add(pid)
            return None
        time.sleep(_STEP_S)


def _members(known: set[int]) -> set[int]:
    """Return the living processes that descend from `known` or belong to a session or group of theirs."""
    table = {pid: kin for pid in _pids() if (kin := _kin(pid))}
    found: set[int] = set()
    while True:
        more = {pid for pid, kin in table.items() if pid not in found and not kin.isdisjoint(known | found)}
        if not more:
            return found
        found |= more


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - thousands of names


def _kin(pid: int) -> set[int]:
    """Return the numbers of parent, group and session; empty for a dead process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - once per process
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return set()
    if fields[0] in (b"Z", b"X"):
        return set()
    return {int(number) for number in fields[1:4]}


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return
