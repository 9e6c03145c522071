"""Applies seen from outside, through the journal each one writes: the newest, whether it lives, what it has done."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from agent.desk.children import is_alive
from agent.model.errors import StateError
from agent.model.plan import Change, Outcome, Run
from agent.provision.journal import LINES, SUMMARY, load_run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as far as its journal tells it. `lines` is its log; `run` is set once it has ended.

    `far`: how far the task says it is. `alive`: its process runs. A run that neither ended nor lives was interrupted.
    """

    id: str
    alive: bool = True
    roles: tuple[str, ...] = ()
    role: str = ""
    task: str = ""
    far: str = ""
    steps: int = 0
    changes: tuple[Change, ...] = ()
    lines: tuple[str, ...] = ()
    started: float = 0.0
    run: Run | None = None
    said: str = ""

    @property
    def is_running(self) -> bool:
        """Return whether it has not ended and its process lives."""
        return self.run is None and self.alive

    @property
    def share(self) -> float:
        """Return how much of its roles it has gone through, 0 to 1."""
        if self.run is not None:
            return 1.0
        return self.roles.index(self.role) / len(self.roles) if self.role in self.roles else 0.0

    @property
    def outcome(self) -> Outcome:
        """Return how it ended, or that it runs."""
        if self.run is not None:
            return self.run.outcome
        return Outcome.RUNNING if self.alive else Outcome.INTERRUPTED


class Follower:
    """Reads one run's folder again and again; `look` returns what is known now."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._read, self._rest = folder, 0, b""
        self.pid = int(tail) if (tail := folder.name.rpartition("-")[2]).isdigit() else 0
        self._view = RunView(folder.name)

    def look(self) -> RunView:
        """Take in the lines that are new; the summary when there is one."""
        alive = is_alive(self.pid)  # asked first: what it wrote before it ended is then read below
        for line in self._new_lines():
            self._take(line)
        view = replace(self._view, alive=alive)
        if (self._folder / SUMMARY).exists():
            with contextlib.suppress(StateError):
                run = load_run(self._folder)
                view = replace(view, run=run, changes=run.changes, roles=run.roles, alive=False,
                               started=run.started)
        self._view = view
        return view

    def _new_lines(self) -> list[dict[str, Any]]:
        try:
            with (self._folder / LINES).open("rb") as stream:
                stream.seek(self._read)
                chunk = stream.read()
        except OSError:
            return []
        self._read += len(chunk)
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        found = []
        for line in lines:
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
        return found

    def _take(self, line: dict[str, Any]) -> None:
        view, kind = self._view, line.get("kind")
        if kind == "start":
            run = line["run"]
            self._view = replace(view, roles=tuple(run["roles"]), started=run["started"])
        elif kind == "step":
            text = f"{line['role'] or 'play'}: {line['task']}"
            self._view = replace(view, role=line["role"] or view.role, task=line["task"], far="", steps=view.steps + 1,
                                 lines=(*view.lines, text))
        elif kind == "far":
            self._view = replace(view, far=str(line["text"]))
        elif kind == "change":
            change = Change(**line["change"])
            self._view = replace(view, changes=(*view.changes, change),
                                 lines=(*view.lines, f"  changed {change.target or change.task}"))


def newest_runs(runs: Path, count: int = 1) -> Sequence[Path]:
    """Return the folders of the newest runs, newest first; none when they cannot be read."""
    try:
        return sorted((folder for folder in runs.iterdir() if folder.is_dir()), reverse=True)[:count]
    except OSError:
        return []


def find_active(runs: Path) -> Path | None:
    """Return the folder of an apply whose process lives and that has not ended, or None."""
    for folder in newest_runs(runs, 5):
        tail = folder.name.rpartition("-")[2]
        if (folder / LINES).exists() and not (folder / SUMMARY).exists() and tail.isdigit() and is_alive(int(tail)):
            return folder
    return None


def find_of_process(runs: Path, pid: int) -> Path | None:
    """Return the folder of the run that a process has begun, or None."""
    return next((folder for folder in newest_runs(runs, 5) if folder.name.endswith(f"-{pid}")), None)
