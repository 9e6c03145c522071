"""A real terminal: tmux, real keys, what stands on the screen."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import time
from collections.abc import Sequence

import pytest

SOCKET = "firstlight-test"
PATIENCE_S = 120.0


class Terminal:
    """A terminal of some size in tmux, with a program in it."""

    def __init__(self, name: str, words: Sequence[str], size: tuple[int, int]) -> None:
        if shutil.which("tmux") is None:
            pytest.skip("needs tmux (package of Debian)")
        # pytest loads readline, which puts the size of another terminal into the environment of children
        plain = ["env", "-u", "COLUMNS", "-u", "LINES", *words]
        self.name, self._words, self._size = name, shlex.join(plain), size

    def open(self) -> None:
        """Start the program."""
        width, height = self._size
        self._tmux("new-session", "-d", "-x", str(width), "-y", str(height), "-s", self.name, self._words)

    def close(self) -> None:
        """Close it as a person closes a window: everything on it gets a hangup."""
        self._tmux("kill-session", "-t", self.name, check=False)

    def press(self, *keys: str) -> None:
        """Press keys one after another."""
        for key in keys:
            self._tmux("send-keys", "-t", self.name, key)
            time.sleep(0.05)

    def text(self) -> str:
        """Return what the terminal shows."""
        return self._tmux("capture-pane", "-p", "-t", self.name)

    def until(self, words: str, seconds: float = PATIENCE_S) -> str:
        """Wait until the terminal shows some words; return everything it shows."""
        end = time.monotonic() + seconds
        while words not in (shown := self.text()):
            assert time.monotonic() < end, f"no {words!r} within {seconds} s:\n{shown}"
            time.sleep(0.2)
        return shown

    def press_until(self, key: str, words: str, seconds: float = PATIENCE_S) -> str:
        """Press a key again and again until the terminal shows some words; return everything it shows."""
        end = time.monotonic() + seconds
        while words not in (shown := self.text()):
            assert time.monotonic() < end, f"no {words!r} within {seconds} s of {key}:\n{shown}"
            self.press(key)
            time.sleep(1)
        return shown

    def until_gone(self, words: str, seconds: float = PATIENCE_S) -> None:
        """Wait until the terminal does not show some words any more."""
        end = time.monotonic() + seconds
        while words in (shown := self.text()):
            assert time.monotonic() < end, f"{words!r} still there after {seconds} s:\n{shown}"
            time.sleep(0.2)

    def goes(self, seconds: float = PATIENCE_S) -> bool:
        """Return whether the program ends within a time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self._tmux("has-session", "-t", self.name, check=False, errors=True):
                return True
            time.sleep(0.2)
        return False

    def _tmux(self, *words: str, check: bool = True, errors: bool = False) -> str:
        done = subprocess.run(["tmux", "-L", SOCKET, *words], capture_output=True, text=True, check=check)
        return done.stderr if errors else done.stdout
