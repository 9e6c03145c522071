"""The door to the host. Everything Firstlight reads from a machine goes through `Machine`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol


class Completed(NamedTuple):
    """A finished command: its exit code and its decoded output (undecodable bytes replaced)."""

    argv: tuple[str, ...]
    code: int
    out: str
    err: str


class FileStatus(NamedTuple):
    """A path, links not followed. `kind`: file, directory, link, block, char, socket, fifo. `mode`: permission bits."""

    kind: str
    mode: int
    uid: int
    gid: int
    size_bytes: int
    mtime: float
    target: str = ""


class Space(NamedTuple):
    """Room in the filesystem that holds a path, as an unprivileged user sees it (bytes and inodes)."""

    total_bytes: int
    available_bytes: int
    inodes: int
    inodes_free: int


class Machine(Protocol):
    """Read-only view of a host. Primitives only; parsers live beside it (systemd.py, apt.py, block.py …).

    Every method raises `Missing` when the thing does not exist and `Unobservable` (its parent class) when it
    could not be looked at: permission, timeout, input/output error, or "not in the recording".
    """

    def run(self, argv: Sequence[str], *, timeout_s: float = 5.0, ok: Collection[int] | None = (0,)) -> Completed:
        """Run a read-only command (no shell, C.UTF-8, PATH with the sbin folders, no stdin).

        Raises `Unobservable` when the exit code is not in `ok` (None accepts any) or at the deadline.
        """
        ...

    def read(self, path: str, *, limit_bytes: int = 1 << 20) -> str:
        """Return the text of a file, at most `limit_bytes` of it."""
        ...

    def read_bytes(self, path: str, *, limit_bytes: int = 1 << 20) -> bytes:
        """Return the first `limit_bytes` bytes of a file."""
        ...

    def listing(self, path: str) -> tuple[str, ...]:
        """Return the sorted names in a directory."""
        ...

    def status(self, path: str) -> FileStatus:
        """Return what stands at a path (lstat)."""
        ...

    def space(self, path: str) -> Space:
        """Return the room in the filesystem that holds `path`."""
        ...

    def exists(self, path: str) -> bool:
        """Return whether a path exists; `Unobservable` when that cannot be told."""
        ...

    def clock(self) -> float:
        """Return the host's time in seconds since the epoch (a recording returns when it was made)."""
        ...

    def privileged(self) -> bool:
        """Return whether the observer is root on the host."""
        ...
