"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from agent.model.errors import StateError


def write_atomic(path: Path, text: str, mode: int = 0o644, *, replace: bool = True) -> None:
    """Write `text` (UTF-8) to `path`, on disk before it gets its name.

    With `replace=False` a path that exists is refused, without a moment in between. Raises StateError.
    """
    try:
        handle, temporary = tempfile.mkstemp(prefix=".firstlight-", dir=path.parent)
    except OSError as error:
        raise StateError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        if replace:
            Path(temporary).replace(path)
        else:
            path.hardlink_to(temporary)
    except FileExistsError as error:
        raise StateError(f"{path}: exists already", "move it away first, or name another file") from error
    except OSError as error:
        raise StateError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        Path(temporary).unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on disk; one that is not there or cannot be synced is left to the kernel."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
