"""Where runs keep their lock, their private folders and their journals."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Places:
    """`runtime` is gone after a reboot (lock, private folders); `state` stays (journals)."""

    runtime: Path
    state: Path

    @property
    def lock(self) -> Path:
        """The file that a run holds a flock on."""
        return self.runtime / "lock"

    @property
    def runs(self) -> Path:
        """The folder with one folder per run."""
        return self.state / "runs"


def places() -> Places:
    """Return root's folders, or those of a user who can only plan. Creates nothing.

    FIRSTLIGHT_STATE moves what stays; the lock does not move, so that there is one for the machine.
    """
    given = os.environ.get("FIRSTLIGHT_STATE")
    if os.geteuid() == 0:
        return Places(Path("/run/firstlight"), Path(given or "/var/lib/firstlight"))
    session = os.environ.get("XDG_RUNTIME_DIR")
    spare = Path(tempfile.gettempdir(), f"firstlight-{os.getuid()}")
    runtime = Path(session, "firstlight") if session else spare
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return Places(runtime, Path(given) if given else state / "firstlight")


def make_private(folder: Path) -> Path:
    """Create a folder nobody else can enter and return it. Raises PermissionError when it is another's."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    if status.st_uid != os.geteuid() or folder.is_symlink():
        raise PermissionError(f"{folder} belongs to somebody else")
    return folder
