"""What a person sees while a plan or an apply is at work, on stderr."""

from __future__ import annotations

import os
import shutil
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.provision.events import Step


LOGGED_EVERY_S = 60.0  # how far a task is, where lines are kept


class Progress:
    """One line that is written over on a terminal; one a task, and a minute of it, elsewhere. Use it as a context."""

    def __init__(self, verb: str) -> None:
        self._verb = verb
        self._terminal = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._written = 0.0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._terminal:
            self._write("\r\x1b[K")

    def step(self, step: Step) -> None:
        """Show the task that has just started, or how far it is."""
        where = f"[{step.number}/{step.count}] {step.role}: " if step.number else ""
        line = f"{self._verb} {where}{step.far or step.task}"
        now = time.monotonic()
        if self._terminal:
            self._write(f"\r\x1b[K{line[:shutil.get_terminal_size().columns - 1]}")
        elif not step.far or now - self._written >= LOGGED_EVERY_S:
            self._written = now
            self._write(line + "\n")

    def say(self, text: str) -> None:
        """Show a sentence that stays. Also called by signal handlers, so one write and no buffer."""
        self._write(f"\r\x1b[K{text}\n" if self._terminal else f"{text}\n")

    def _write(self, text: str) -> None:
        try:
            os.write(sys.stderr.fileno(), text.encode(errors="replace"))
        except (OSError, ValueError):
            return  # nobody reads stderr any more; that is no reason to stop
