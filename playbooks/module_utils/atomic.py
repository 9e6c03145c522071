"""Writing files of somebody else's machine: whole or not at all, with a copy of what was there."""

from __future__ import annotations

import os
import shutil
import tempfile
import time


def read_text(path: str) -> str | None:
    """Return the file's text, or None when it does not exist. Raises OSError when it cannot be read."""
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def write_atomic(path: str, text: str, mode: int = 0o644, backup: bool = False) -> str:
    """Write `text` to `path` through a temporary file in the same folder; return the backup's path or "".

    An existing file keeps its owner and mode. The data is on disk (fsync) before the rename, the rename before
    the return. A backup is `<path>.firstlight-<UTC time>`.
    """
    folder = os.path.dirname(path)
    os.makedirs(folder, mode=0o755, exist_ok=True)
    kept = ""
    try:
        old = os.lstat(path)
    except FileNotFoundError:
        old = None
    if old is not None and backup:
        kept = f"{path}.firstlight-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
        shutil.copy2(path, kept, follow_symlinks=False)
    handle, temporary = tempfile.mkstemp(prefix=".firstlight-", dir=folder)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fchmod(stream.fileno(), mode if old is None else old.st_mode & 0o7777)
            if old is not None:
                os.fchown(stream.fileno(), old.st_uid, old.st_gid)
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return kept
