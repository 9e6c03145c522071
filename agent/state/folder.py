"""Where Firstlight keeps what it must remember."""

from __future__ import annotations

import os
from pathlib import Path

from agent.model.errors import StateError

MACHINE = Path("/var/lib/firstlight")


def state_folder() -> Path:
    """Return the folder: FIRSTLIGHT_STATE, else /var/lib/firstlight for root, else below XDG_STATE_HOME."""
    if given := os.environ.get("FIRSTLIGHT_STATE"):
        return Path(given)
    if os.geteuid() == 0:
        return MACHINE
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "firstlight"


def find_machines_folder() -> Path | None:
    """Return root's folder where this user remembers in another one that nobody named; else None."""
    named = os.environ.get("FIRSTLIGHT_STATE") or state_folder() == MACHINE
    return None if named or not MACHINE.is_dir() else MACHINE


def make_folder(folder: Path, mode: int = 0o700) -> Path:
    """Create a folder, by default one that only its owner may enter. Raises StateError when that cannot be."""
    try:
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(
            f"{folder}: cannot be made: {error.strerror}", "use sudo, or name another folder"
        ) from error
    return folder
