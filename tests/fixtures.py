"""An in-memory machine for tests: what it was not told does not exist."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from agent.machine.api import Completed, FileStatus, Space
from agent.model.errors import Missing, Unobservable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

NOW = 1_780_000_000.0
Content = str | bytes | FileStatus


class FakeMachine:
    """A Machine built from dictionaries.

    `files`: path to text, bytes or FileStatus (a FileStatus of kind link/block/… has no content). Folders are
    implied by the files below them; an empty one is named in `folders`.
    `commands`: argv tuple to stdout text (exit code 0), a Completed, or an exception to raise.
    `errors`: path to the exception that every question about it raises.
    """

    def __init__(
        self,
        files: Mapping[str, Content] | None = None,
        commands: Mapping[tuple[str, ...], str | Completed | Exception] | None = None,
        *,
        folders: Collection[str] = (),
        errors: Mapping[str, Exception] | None = None,
        spaces: Mapping[str, Space] | None = None,
        clock: float = NOW,
        privileged: bool = True,
    ) -> None:
        self.files: dict[str, Content] = dict(files or {})
        self.commands = dict(commands or {})
        self.errors = dict(errors or {})
        self.spaces = dict(spaces or {})
        self.now = clock
        self.root = privileged
        self.asked: list[tuple[str, ...]] = []
        self.folders = {"/", *folders}
        for path in (*self.files, *folders):
            while (path := path.rpartition("/")[0]):
                self.folders.add(path)

    def run(
        self, argv: Sequence[str], *, timeout_s: float = 5.0, ok: Collection[int] | None = (0,)
    ) -> Completed:
        """Return the prepared answer; Missing for a command nobody prepared."""
        key = tuple(argv)
        self.asked.append(("run", *key))
        answer = self.commands.get(key)
        if answer is None:
            raise Missing(f"{key[0]}: command not found ({' '.join(key)})")
        if isinstance(answer, Exception):
            raise answer
        done = Completed(key, 0, answer, "") if isinstance(answer, str) else answer
        if ok is not None and done.code not in ok:
            raise Unobservable(f"{' '.join(key)}: exit code {done.code}: {done.err.strip()}")
        return done

    def read_bytes(self, path: str, *, limit_bytes: int = 1 << 20) -> bytes:
        """Return the prepared content."""
        path = self._resolve("read", path)
        content = self.files.get(path)
        if isinstance(content, FileStatus):
            raise Unobservable(f"{path}: is a {content.kind}")
        if content is None:
            if path in self.folders:
                raise Unobservable(f"{path}: is a directory")
            raise Missing(f"{path}: not found")
        data = content.encode() if isinstance(content, str) else content
        return data[:limit_bytes]

    def read(self, path: str, *, limit_bytes: int = 1 << 20) -> str:
        """Return the prepared content as text."""
        return self.read_bytes(path, limit_bytes=limit_bytes).decode(errors="replace")

    def listing(self, path: str) -> tuple[str, ...]:
        """Return the names below a folder."""
        path = self._resolve("listing", path)
        if path not in self.folders:
            if path in self.files:
                raise Unobservable(f"{path}: is not a directory")
            raise Missing(f"{path}: not found")
        prefix = path.rstrip("/") + "/"
        below = (other[len(prefix):] for other in (*self.files, *self.folders) if other.startswith(prefix))
        return tuple(sorted({name.partition("/")[0] for name in below if name}))

    def status(self, path: str) -> FileStatus:
        """Return what stands at a path; plain files are root's, mode 0644, folders 0755."""
        path = self._ask("status", path)
        content = self.files.get(path)
        if isinstance(content, FileStatus):
            return content
        if content is not None:
            size = len(content.encode() if isinstance(content, str) else content)
            return FileStatus("file", 0o644, 0, 0, size, self.now)
        if path in self.folders:
            return FileStatus("directory", 0o755, 0, 0, 4096, self.now)
        raise Missing(f"{path}: not found")

    def space(self, path: str) -> Space:
        """Return the space of the nearest prepared path at or above this one."""
        path = self._ask("space", path)
        while path not in self.spaces:
            if path == "/":
                raise Missing(f"{path}: not found")
            path = path.rpartition("/")[0] or "/"
        return self.spaces[path]

    def exists(self, path: str) -> bool:
        """Return whether the path was prepared."""
        path = self._resolve("exists", path)
        return path in self.files or path in self.folders

    def clock(self) -> float:
        """Return the prepared time."""
        return self.now

    def privileged(self) -> bool:
        """Return whether this machine is looked at by root."""
        return self.root

    def _ask(self, kind: str, path: str) -> str:
        self.asked.append((kind, path))
        if path in self.errors:
            raise self.errors[path]
        return path.rstrip("/") or "/"

    def _resolve(self, kind: str, path: str) -> str:
        """Note the question and follow a link that stands at the path itself."""
        path = self._ask(kind, path)
        for _ in range(10):
            content = self.files.get(path)
            if not isinstance(content, FileStatus) or content.kind != "link":
                break
            target = content.target
            path = target if target.startswith("/") else path.rpartition("/")[0] + "/" + target
        return path


def link(target: str) -> FileStatus:
    """Return a symbolic link to `target`."""
    return FileStatus("link", 0o777, 0, 0, len(target), NOW, target)


def mode(kind: str, bits: int, *, uid: int = 0, gid: int = 0, size_bytes: int = 0) -> FileStatus:
    """Return a FileStatus of a kind with permission bits."""
    return FileStatus(kind, stat.S_IMODE(bits), uid, gid, size_bytes, NOW)
