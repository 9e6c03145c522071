"""Starts the read-only commands of the machine door; nothing else in `agent` or `checks` starts a process.

posix_spawn instead of subprocess: it costs a third of the CPU, and a check run is mostly commands.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from agent.machine.api import Completed
from agent.model.errors import Missing, Unobservable

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/snap/bin")
OUTPUT_LIMIT_BYTES = 4 << 20
_GRACE_S = 0.2
_CHUNK_BYTES = 1 << 16
abandoned: set[int] = set()  # children of ours that could not die in time; the engine leaves its own here too
# Programs of ours that have to run apart: started by this Python, deaf to its environment variables. Tests and the
# demo pass stand-in libraries to them in FIRSTLIGHT_NVML_* and FIRSTLIGHT_CUDA_LIBRARY.
_OURS = {"firstlight-nvml": "nvml_probe.py", "firstlight-load": "gpu_load.py",
         "firstlight-warden": "warden.py"}
_TOLD_TO_OURS = ("FIRSTLIGHT_NVML_LIBRARY", "FIRSTLIGHT_NVML_PROFILE", "FIRSTLIGHT_NVML_TRACE",
                 "FIRSTLIGHT_CUDA_LIBRARY")


def run_command(argv: Sequence[str], timeout_s: float) -> Completed:
    """Run a command in its own process group, without stdin, and return it with any exit code.

    What is left of the group is killed at the end. Raises Missing when there is no such command, Unobservable
    at the deadline, on more than 4 MiB of output, or when it cannot be started.
    """
    reap_abandoned()
    deadline = time.monotonic() + timeout_s
    return Started(argv).result(deadline, timeout_s)


class Started:
    """A command of ours at work, in its own process group. Its result is to be asked for once."""

    def __init__(self, argv: Sequence[str]) -> None:
        self._argv = tuple(argv)
        self._out, out_end = os.pipe()
        self._err, err_end = os.pipe()
        try:
            self._pid = _spawn(argv, out_end, err_end)
        except BaseException:
            self._close()
            raise
        finally:
            os.close(out_end)
            os.close(err_end)

    def result(self, deadline: float = 0.0, timeout_s: float = 0.0) -> Completed:
        """Wait for it until the deadline (monotonic clock; 0: what has ended by now). Raises as run_command does."""
        try:
            pipes = {self._out: bytearray(), self._err: bytearray()}
            return _finish(self._pid, self._argv, pipes, deadline, timeout_s)
        finally:
            self._close()

    def _close(self) -> None:
        os.close(self._out)
        os.close(self._err)


def _find_command(name: str) -> str:
    """Return the path of a command in our fixed folders; raises Missing."""
    if "/" in name:
        return name
    for folder in FOLDERS:
        path = f"{folder}/{name}"
        if os.access(path, os.X_OK):
            return path
    raise Missing(f"{name}: command not found")


def _spawn(argv: Sequence[str], out_end: int, err_end: int) -> int:
    environment = {"PATH": ":".join(FOLDERS), "LC_ALL": "C.UTF-8", "HOME": os.environ.get("HOME", "/")}
    if argv[0] in _OURS:
        environment |= {name: os.environ[name] for name in _TOLD_TO_OURS if name in os.environ}
        argv = (sys.executable, "-I", str(Path(__file__).with_name(_OURS[argv[0]])), *argv[1:])
    path = _find_command(argv[0])
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, out_end, 1),
        (os.POSIX_SPAWN_DUP2, err_end, 2),
    ]
    handled = [signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGALRM]
    try:
        return os.posix_spawn(path, list(argv), environment, file_actions=actions, setpgroup=0,
                              setsigmask=[], setsigdef=handled)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise Missing(f"{path}: command not found") from error
        raise Unobservable(f"{path}: cannot be started: {error.strerror}") from error


def _finish(pid: int, argv: tuple[str, ...], pipes: dict[int, bytearray], deadline: float,
            timeout_s: float) -> Completed:
    """Read both pipes until the command has ended; kills its group in every case."""
    exited = os.pidfd_open(pid)
    try:
        try:
            in_time = _read_until_exit(exited, pipes, deadline)
        except BaseException:  # an interruption; the child is reaped at the next call
            abandoned.add(pid)
            raise
        finally:
            _kill_group(pid)
        code = _reap(pid, exited)
    finally:
        os.close(exited)
    shown = " ".join(argv)
    if any(len(text) > OUTPUT_LIMIT_BYTES for text in pipes.values()):
        raise Unobservable(f"{shown}: more than {OUTPUT_LIMIT_BYTES >> 20} MiB of output")
    if not in_time or code is None:
        raise Unobservable(f"{shown}: no answer within {timeout_s:g} s")
    out, err = (bytes(text).decode(errors="replace") for text in pipes.values())
    return Completed(argv, code, out, err)


def _read_until_exit(exited: int, pipes: dict[int, bytearray], deadline: float) -> bool:
    """Return True when the command ended in time; leaves early when its output is too large."""
    poll = select.poll()
    for fd in (exited, *pipes):
        poll.register(fd, select.POLLIN)
        os.set_blocking(fd, False)
    while True:
        ready = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
        if not ready:
            return False
        for fd, _ in ready:
            if fd != exited and not _drain(fd, pipes[fd]):
                poll.unregister(fd)
        if any(len(text) > OUTPUT_LIMIT_BYTES for text in pipes.values()):
            return False
        if any(fd == exited for fd, _ in ready):
            for fd, text in pipes.items():
                _drain(fd, text)
            return True


def _drain(fd: int, text: bytearray) -> bool:
    """Append what can be read now; False at the end of the pipe."""
    while len(text) <= OUTPUT_LIMIT_BYTES:
        try:
            chunk = os.read(fd, _CHUNK_BYTES)
        except BlockingIOError:
            return True
        if not chunk:
            return False
        text += chunk
    return True


def _kill_group(pid: int) -> None:
    """Kill what is left of the group; its leader is not reaped yet, so the number is still ours."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _reap(pid: int, exited: int) -> int | None:
    """Return the exit code, or None when the process cannot die (it is then reaped at a later call)."""
    poll = select.poll()
    poll.register(exited, select.POLLIN)
    if not poll.poll(_GRACE_S * 1000):
        abandoned.add(pid)
        return None
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def reap_abandoned() -> None:
    """Reap what was left behind and has died since."""
    for pid in tuple(abandoned):
        try:
            gone = os.waitpid(pid, os.WNOHANG)[0] != 0
        except ChildProcessError:
            gone = True
        if gone:
            abandoned.discard(pid)
