"""The processes of a run that has ended or was killed: found by the mark in their environment."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.model.errors import ProvisionError
from agent.provision.runner import MARK

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGE_TOOLS = frozenset({"apt-get", "apt", "dpkg", "dpkg-deb", "dpkg-preconfigu", "debconf", "frontend"})
POLL_S = 0.2
WAIT_S = 900.0
SOON_S, GONE_WITHIN_S = 0.02, 2.0


@dataclass(frozen=True, slots=True)
class Process:
    """A living process. `worker` = one of ansible's own, which outlive ansible-playbook to end their task."""

    pid: int
    parent: int
    name: str
    worker: bool


def marked(run_id: str, proc: Path = Path("/proc")) -> dict[int, Process]:
    """Return the living processes of a run by pid. Those of other users are not seen without root."""
    mark = f"{MARK}={run_id}".encode()
    found = {}
    for folder in proc.iterdir():
        if not folder.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if mark not in (folder / "environ").read_bytes().split(b"\0"):
                continue
            command = (folder / "cmdline").read_bytes()
            name, rest = (folder / "stat").read_text().partition("(")[2].rsplit(")", 1)
            found[int(folder.name)] = Process(int(folder.name), int(rest.split()[1]), name,
                                              b"ansible-playbook" in command)
    return found


def settle(run_id: str, say: Callable[[str], None], *, wait_s: float = WAIT_S) -> None:
    """Wait until the task in flight of an interrupted run has ended. Raises ProvisionError after `wait_s`.

    Ansible's workers without a task are ended: nobody is left to give them work. Daemons that a package
    started are no children of a worker any more and are left alone.
    """
    deadline, said = time.monotonic() + wait_s, False
    while busy := _in_flight(run_id):
        if not said:
            say(f"waiting for the interrupted run's last task: {', '.join(busy)}")
            said = True
        if time.monotonic() > deadline:
            raise ProvisionError(f"the interrupted run still works: {', '.join(busy)}",
                                 "wait for these processes to end, then run the command again")
        time.sleep(POLL_S)


def stop_at_once(run_id: str) -> None:
    """End the modules of a run, except where a package tool works: cutting dpkg in two would cost more.

    Returns when they are gone, or after GONE_WITHIN_S, so that nobody else finds one that still writes.
    """
    seen = marked(run_id)
    spared = {process.pid for process in seen.values() if process.name in PACKAGE_TOOLS}
    for pid in tuple(spared):
        while (parent := seen[pid].parent) in seen:
            spared.add(parent)
            pid = parent
    ended = {process.pid for process in seen.values() if process.pid not in spared and _under_worker(process, seen)}
    for pid in ended:
        _signal(pid, signal.SIGTERM)
    deadline = time.monotonic() + GONE_WITHIN_S
    while not ended.isdisjoint(marked(run_id)) and time.monotonic() < deadline:
        time.sleep(SOON_S)


def _in_flight(run_id: str) -> list[str]:
    """Return the processes of unfinished tasks as `name (pid)`, and end the workers that have none."""
    seen = marked(run_id)
    parents = {process.parent for process in seen.values()}
    for process in seen.values():
        if process.worker and process.pid not in parents:
            _signal(process.pid, signal.SIGKILL)
    return [f"{process.name} ({process.pid})" for process in seen.values()
            if not process.worker and _under_worker(process, seen)]


def _under_worker(process: Process, seen: dict[int, Process]) -> bool:
    while not process.worker:
        if process.parent not in seen:
            return False
        process = seen[process.parent]
    return True


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
