"""Processes of ours that say JSON lines, and one that goes on when we are gone.

A face has threads, and the engine forks: so it runs elsewhere. A probe that hangs hangs there too, not here.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.model.errors import FirstlightError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_HOME = str(Path(__file__).resolve().parents[2])
_PASSED_ON = ("HOME", "PATH", "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "DOCKER_HOST")
_POLL_S, _PATIENCE_S = 0.2, 3.0
_COMMAND = "import sys; from agent.cli.main import main; sys.exit(main(sys.argv[1:]))"
_DEFAULT = [signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGHUP, signal.SIGWINCH]


class Child:
    """A Python program of ours in its own session, whose stdout is read line by line."""

    def __init__(self, *words: str) -> None:
        self._errors = os.memfd_create("errors")
        self._out, end = os.pipe()
        try:
            self.pid = _spawn(words, end, self._errors)
        finally:
            os.close(end)
        self._code: int | None = None

    def objects(self, cancelled: Callable[[], bool] = lambda: False) -> Iterator[dict[str, Any]]:
        """Yield each JSON object it says until it ends or `cancelled` says so; lines that are none are skipped."""
        text = b""
        while not cancelled():
            if not select.select([self._out], [], [], _POLL_S)[0]:
                continue
            chunk = os.read(self._out, 1 << 16)
            if not chunk:
                return
            *lines, text = (text + chunk).split(b"\n")
            for line in lines:
                with contextlib.suppress(ValueError):
                    said = json.loads(line)
                    if isinstance(said, dict):
                        yield said

    def errors(self) -> str:
        """Return the last lines it wrote to stderr."""
        size = os.fstat(self._errors).st_size
        return os.pread(self._errors, 2000, max(0, size - 2000)).decode(errors="replace").strip()

    def end(self, *, gently: bool = True) -> int | None:
        """End it: interrupted twice, then killed; at once unless `gently`. Return its exit code, None without one."""
        for number in (None, signal.SIGINT, signal.SIGINT, signal.SIGKILL) if gently else (signal.SIGKILL,):
            if self._code is None and number is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, number)
            if self._wait(0.3 if number is None else _PATIENCE_S):
                break
        for fd in (self._out, self._errors):
            os.close(fd)
        return self._code

    def _wait(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > end:
                return False
            else:
                time.sleep(0.01)
        return True


def start_detached(words: Sequence[str], log: Path) -> int:
    """Start `firstlight WORDS…` in a session of its own, saying everything to `log`; return its pid."""
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        return _spawn(("-c", _COMMAND, *words), fd, fd)
    finally:
        os.close(fd)


def is_alive(pid: int) -> bool:
    """Return whether a process runs; one of our own that has ended is reaped and does not."""
    with contextlib.suppress(ChildProcessError):
        if os.waitpid(pid, os.WNOHANG)[0]:
            return False
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(") ")[2]
    except OSError:
        return False
    return not state.startswith(("Z", "X"))


def _spawn(words: Sequence[str], out: int, errors: int) -> int:
    environment = {name: value for name, value in os.environ.items()
                   if name in _PASSED_ON or name.startswith("FIRSTLIGHT_")}
    environment |= {"PYTHONPATH": _HOME, "LC_ALL": "C.UTF-8", "TERM": "dumb"}
    actions = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), (os.POSIX_SPAWN_DUP2, out, 1),
               (os.POSIX_SPAWN_DUP2, errors, 2)]
    try:
        return os.posix_spawn(sys.executable, [sys.executable, "-P", *words], environment, file_actions=actions,
                              setsid=True, setsigmask=[], setsigdef=_DEFAULT)
    except OSError as error:
        raise FirstlightError(f"{sys.executable}: cannot be started: {error.strerror}",
                              "free some memory or processes and try again") from error
