"""Nsight Systems around a local job, where it is installed."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from agent.machine.docker import find_program
from agent.model.errors import UsageError

if TYPE_CHECKING:
    from agent.smoke.session import Session

FOLDERS = ("/usr/local/cuda/bin/nsys", "/opt/nvidia/nsight-systems/bin/nsys")


def wrapped(argv: tuple[str, ...], session: Session, job: str, place: str) -> tuple[str, ...]:
    """Return the command under nsys when a profile was asked for. Raises UsageError when it cannot be made."""
    if not session.nsys_folder:
        return argv
    if place != "local":
        raise UsageError("smoke: --nsys profiles what runs on this machine itself, not in a container",
                         "add --place local --python PATH, or leave --nsys out")
    nsys = find_program(session.machine, "nsys") or next((path for path in FOLDERS if os.access(path, os.X_OK)), None)
    if nsys is None:
        raise UsageError("smoke: --nsys: Nsight Systems is not installed",
                         "install nsight-systems-cli, or leave --nsys out")
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    file = Path(session.nsys_folder).absolute() / f"{job}-{stamp}"
    return (nsys, "profile", "--trace=cuda,nvtx,osrt", "--stats=false", "--force-overwrite=true",
            f"--output={file}", *argv)
