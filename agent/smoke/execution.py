"""Runs a job's command within bounds, through the warden, so that nothing of it outlives it."""

from __future__ import annotations

import json
import os
import secrets
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.machine.process import run_command
from agent.model.errors import Unobservable
from agent.model.units import format_size

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

GRACE_S = 60.0  # what the warden may take to end a job and its containers
_FOLLOW_S = 0.3


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one job may take: seconds of wall time, bytes of anonymous memory, bytes of its own files."""

    time_s: float
    memory_bytes: int
    disk_bytes: int


@dataclass(frozen=True, slots=True)
class Ended:
    """How a job ended. `how`: exit, signal, time, memory, disk, stopped, not-started; `left`: processes killed after.

    `out` and `err` hold the last 512 and 128 KiB. Memory is the most that was held at once, in bytes.
    """

    how: str
    code: int
    out: str
    err: str
    wall_s: float
    cpu_s: float
    peak_memory_bytes: int
    left: int
    why: str = ""

    def words(self, bounds: Bounds) -> str:
        """Return how it ended in one phrase."""
        return {
            "exit": f"ended with exit code {self.code}",
            "signal": f"was killed by signal {self.code}",
            "time": f"was stopped after {bounds.time_s:g} s, its time limit",
            "memory": f"was stopped at {format_size(self.peak_memory_bytes)} of memory; its limit is "
                      f"{format_size(bounds.memory_bytes)}",
            "disk": f"was stopped: its files took more than {format_size(bounds.disk_bytes)}",
            "stopped": "was interrupted",
        }.get(self.how, f"could not be started: {self.why}")


@dataclass(frozen=True, slots=True)
class Bundle:
    """A job of several files, given to an interpreter's stdin: pairs of name and path, and the module that runs."""

    module: str
    files: tuple[tuple[str, str], ...]


def new_name() -> str:
    """Return a name for a job's folder or container that nobody else has."""
    return f"firstlight-smoke-{secrets.token_hex(6)}"


def run_bounded(argv: Sequence[str], bounds: Bounds, *, env: Mapping[str, str] | None = None, stdin: str | Bundle = "",
                after: Sequence[Sequence[str]] = (), on_line: Callable[[str], None] | None = None) -> Ended:
    """Run a command in a folder and session of its own; return how it ended. Raises Unobservable.

    Whatever happens, also to this process, the job, what it started and its folder are gone afterwards; `after` are
    commands for what runs elsewhere. `on_line` is told what the job says on stderr while it runs.
    """
    folder = Path(tempfile.gettempdir()) / new_name()
    given = {"module": stdin.module, "files": dict(stdin.files)} if isinstance(stdin, Bundle) else stdin
    spec = {"argv": list(argv), "folder": str(folder), "parent": os.getpid(), "env": dict(env or {}), "stdin": given,
            "time_s": bounds.time_s, "memory_bytes": bounds.memory_bytes, "disk_bytes": bounds.disk_bytes,
            "after": [list(command) for command in after]}
    done, follower = threading.Event(), None
    if on_line is not None:
        follower = threading.Thread(target=_follow, args=(folder / "stderr", done, on_line), daemon=True)
        follower.start()
    try:
        told = run_command(("firstlight-warden", json.dumps(spec)), bounds.time_s + GRACE_S)
    finally:
        done.set()
        if follower is not None:
            follower.join()
    try:
        account = json.loads(told.out)
    except ValueError as error:
        raise Unobservable(f"the job's warden died: {told.err.strip()[-500:] or told.code}") from error
    empty = {"code": 0, "out": "", "err": "", "wall_s": 0.0, "cpu_s": 0.0, "peak_memory_bytes": 0, "left": 0}
    return Ended(**{**empty, **account})


def _follow(file: Path, done: threading.Event, on_line: Callable[[str], None]) -> None:
    """Tell the last line of a growing file whenever there is a new one."""
    told = ""
    while not done.wait(_FOLLOW_S):
        try:
            with file.open("rb") as stream:
                stream.seek(max(0, file.stat().st_size - 500))
                lines = stream.read().decode(errors="replace").splitlines()
        except OSError:
            continue
        if lines and lines[-1].strip() and lines[-1] != told:
            told = lines[-1]
            on_line(told.strip())
