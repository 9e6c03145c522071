"""The machine at hand."""

from __future__ import annotations

import errno
import os
import stat
import time
from typing import TYPE_CHECKING

from agent.machine.api import Completed, FileStatus, Space
from agent.machine.process import run_command
from agent.machine.shortcuts import find_answer
from agent.model.errors import Missing, Unobservable

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ESRCH)
_KINDS = {
    stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link", stat.S_IFBLK: "block",
    stat.S_IFCHR: "char", stat.S_IFIFO: "fifo", stat.S_IFSOCK: "socket",
}


class LocalMachine:
    """A Machine over the operating system. Holds no state; see RecordingMachine for one that remembers."""

    def run(
        self, argv: Sequence[str], *, timeout_s: float = 5.0, ok: Collection[int] | None = (0,)
    ) -> Completed:
        """Run a command, or give its answer without; see Machine.run."""
        return accepted(find_answer(argv, timeout_s) or run_command(argv, timeout_s), ok)

    def read(self, path: str, *, limit_bytes: int = 1 << 20) -> str:
        """Return the text of a regular file, /proc and /sys included."""
        return self.read_bytes(path, limit_bytes=limit_bytes).decode(errors="replace")

    def read_bytes(self, path: str, *, limit_bytes: int = 1 << 20) -> bytes:
        """Return the first bytes of a regular file; a pipe, socket or device is Unobservable."""
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        except OSError as error:
            raise _explained("read", path, error) from error
        try:
            kind = stat.S_IFMT(os.fstat(fd).st_mode)
            if kind != stat.S_IFREG:
                raise Unobservable(f"{path}: cannot be read: it is a {_KINDS.get(kind, 'special file')}")
            return _read_all(fd, limit_bytes)
        except OSError as error:
            raise _explained("read", path, error) from error
        finally:
            os.close(fd)

    def listing(self, path: str) -> tuple[str, ...]:
        """Return the sorted names in a directory; Unobservable when it is something else."""
        try:
            return tuple(sorted(os.listdir(path)))  # noqa: PTH208 - names, not Path objects
        except OSError as error:
            if error.errno == errno.ENOTDIR and os.path.lexists(path):
                raise Unobservable(f"{path}: is not a directory") from error
            raise _explained("listed", path, error) from error

    def status(self, path: str) -> FileStatus:
        """Return what stands at a path, links not followed."""
        try:
            seen = os.lstat(path)
            kind = _KINDS.get(stat.S_IFMT(seen.st_mode), "file")
            target = os.readlink(path) if kind == "link" else ""  # noqa: PTH115 - the text of the link
        except OSError as error:
            raise _explained("looked at", path, error) from error
        return FileStatus(kind, stat.S_IMODE(seen.st_mode), seen.st_uid, seen.st_gid, seen.st_size,
                          seen.st_mtime, target)

    def space(self, path: str) -> Space:
        """Return the room in the filesystem that holds a path."""
        try:
            seen = os.statvfs(path)
        except OSError as error:
            raise _explained("measured", path, error) from error
        unit_bytes = seen.f_frsize
        return Space(seen.f_blocks * unit_bytes, seen.f_bavail * unit_bytes, seen.f_files, seen.f_favail)

    def exists(self, path: str) -> bool:
        """Return whether a path exists, links followed."""
        try:
            os.stat(path)  # noqa: PTH116 - Path.exists() hides the errors we must tell
        except OSError as error:
            if error.errno in _ABSENT:
                return False
            raise _explained("looked at", path, error) from error
        return True

    def clock(self) -> float:
        """Return the time in seconds since the epoch."""
        return time.time()

    def privileged(self) -> bool:
        """Return whether we are root."""
        return os.geteuid() == 0


def accepted(done: Completed, ok: Collection[int] | None) -> Completed:
    """Return `done` when its exit code is in `ok`; else raises Unobservable with its complaint."""
    if ok is None or done.code in ok:
        return done
    said = (done.err.strip() or done.out.strip()).partition("\n")[0]
    ended = f"exit code {done.code}" if done.code >= 0 else f"killed by signal {-done.code}"
    raise Unobservable(f"{' '.join(done.argv)}: {ended}{f': {said}' if said else ''}")


def _read_all(fd: int, limit_bytes: int) -> bytes:
    chunks, left = [], limit_bytes
    while left > 0 and (chunk := os.read(fd, min(left, 1 << 17))):
        chunks.append(chunk)
        left -= len(chunk)
    return b"".join(chunks)


def _explained(verb: str, path: str, error: OSError) -> Unobservable:
    if error.errno in _ABSENT:
        return Missing(f"{path}: does not exist")
    return Unobservable(f"{path}: cannot be {verb}: {error.strerror or error}")
