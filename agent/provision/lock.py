"""One apply at a time: a flock that dies with its holder, and says who holds it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from typing import TYPE_CHECKING

from agent.model.errors import StateError
from agent.provision.places import make_private

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def held(path: Path, doing: str, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock while inside. `shared` (a plan) bears other plans but no apply beside it.

    Raises StateError that names the holder. kill -9 leaves no lock: the kernel drops it with the process.
    """
    try:
        make_private(path.parent)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    except OSError as error:
        raise StateError(f"{path}: {error.strerror or error}; the lock cannot be taken") from error
    try:
        _take(handle, shared=shared)
        if not shared:
            _sign(handle, {"pid": os.getpid(), "since": time.time(), "doing": doing})
        yield
    finally:
        if not shared:
            with contextlib.suppress(OSError):
                os.ftruncate(handle, 0)
        os.close(handle)


def _take(handle: int, *, shared: bool) -> None:
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StateError(f"another run is active: {_holder(handle)}", "wait for it, or stop it") from error


def _sign(handle: int, holder: dict[str, object]) -> None:
    os.ftruncate(handle, 0)
    os.pwrite(handle, json.dumps(holder).encode(), 0)


def _holder(handle: int) -> str:
    """Return who holds the lock, in words; the file may be empty for the blink between lock and signature."""
    try:
        holder = json.loads(os.pread(handle, 4096, 0))
        since = time.strftime("%H:%M:%S", time.localtime(holder["since"]))
        return f"pid {holder['pid']}, since {since}, doing: {holder['doing']}"
    except (ValueError, KeyError, TypeError):
        return "a plan, or a run that has just started"
