"""Temporary files that a killed run left beside the files it was about to replace."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

PREFIX = ".firstlight-"
FOLDERS = tuple(Path(name) for name in (
    "/etc", "/etc/apt", "/etc/apt/apt.conf.d", "/etc/apt/keyrings", "/etc/apt/preferences.d",
    "/etc/apt/sources.list.d", "/etc/docker", "/etc/security/limits.d", "/etc/sysctl.d",
    "/etc/systemd/system", "/etc/systemd/system.conf.d", "/etc/systemd/system/docker.service.d",
    "/etc/motd.d", "/etc/systemd/system/user.slice.d", "/etc/systemd/user.conf.d", "/usr/share/keyrings",
    "/var/lib/firstlight",
))


def remove_leftovers(folders: tuple[Path, ...] = FOLDERS) -> list[Path]:
    """Remove our own half-written files and return them. Nobody may be writing: call it with the lock held.

    Only plain files of ours by owner and name, links not followed. What is not permitted is left.
    """
    removed = []
    for folder in folders:
        for path in sorted(folder.glob(PREFIX + "*")):
            with contextlib.suppress(OSError):
                status = path.lstat()
                if stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid():
                    path.unlink()
                    removed.append(path)
    return removed
