"""One line on stderr that says how far a pull is; silent where stderr is no terminal, but for what goes wrong.

Whoever waits for the pull may name a file that holds the same line (`--tell`).
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from agent.cli import terminal

if TYPE_CHECKING:
    from pathlib import Path

    from agent.images.pulling import Progress
    from agent.images.reference import Reference

EVERY_S = 0.2


class Line:
    """The line. `on_progress` is called for every report of the engine, many times a second."""

    def __init__(self, tell: Path | None = None) -> None:
        self._tell = tell
        self._lively = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._shown = 0.0
        self._said = ""

    def on_progress(self, reference: Reference, progress: Progress, said: str) -> None:
        """Show bytes; `said` (a connection that broke, a retry) is kept as a line of its own."""
        if said:
            if said != self._said:
                self.clear()
                terminal.warn(f"{reference.tagged}: {said}")
            self._said = said
            return
        now = time.monotonic()
        if (self._lively or self._tell) and now - self._shown >= EVERY_S:
            from agent.images.verification import gigabytes

            self._shown = now
            far = f"{reference.tagged}: {gigabytes(progress.done_bytes)} of {gigabytes(progress.total_bytes)}"
            self._write(far)
            if self._tell:
                with suppress(OSError):  # who waits may be gone; the pull goes on
                    self._tell.write_text(far, encoding="utf-8")

    def clear(self) -> None:
        """Take the line away."""
        self._write("")

    def _write(self, text: str) -> None:
        if self._lively:
            sys.stderr.write(f"\r\x1b[2K{text[: terminal.width() - 1]}")
            sys.stderr.flush()
