"""Asking a run to stop: first after the current task, then at once."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
AFTER_TASK = "stopping after the current task; once more stops at once"
AT_ONCE = "stopping at once; package work in flight is allowed to finish"


class Stop:
    """A request to stop, shared by the signal handlers, the runner and the play.

    The play looks for the flag before each task (playbooks/callback_plugins/firstlight_stop.py), so that a
    task is never cut in two by the first request.
    """

    def __init__(self) -> None:
        self.requested = False
        self.at_once = False
        self._flag: Path | None = None

    def watch(self, flag: Path) -> None:
        """Name the file whose existence stops the play; created at once when the request came earlier."""
        self._flag = flag
        if self.requested:
            flag.touch()

    def request(self) -> str:
        """Ask to stop (the second time: at once) and return the sentence that says so."""
        self.at_once = self.requested
        self.requested = True
        if self._flag is not None:
            with contextlib.suppress(FileNotFoundError):  # the run has just ended and its folder is gone
                self._flag.touch()
        return AT_ONCE if self.at_once else AFTER_TASK

    @contextlib.contextmanager
    def on_signals(self, say: Callable[[str], None]) -> Iterator[None]:
        """Turn SIGINT and SIGTERM into requests while inside; does nothing outside the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def handle(number: int, frame: FrameType | None) -> None:
            say(self.request())

        before = {number: signal.signal(number, handle) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
