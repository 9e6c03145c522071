"""The one reader of shipped data: playbooks, profiles, image catalogue, schemas."""

from __future__ import annotations

import functools
from pathlib import Path

from agent.model.errors import FirstlightError


@functools.cache
def playbooks() -> Path:
    """Return the folder that holds site.yml, roles/, library/ and profiles/ (a wheel or a work tree)."""
    package = Path(__file__).resolve().parent
    for folder in (package / "_data" / "playbooks", package.parent / "playbooks"):
        if folder.is_dir():
            return folder
    raise FirstlightError(
        "the playbooks that belong to Firstlight are not installed",
        "install it again: pip install --force-reinstall firstlight",
    )


def profiles() -> Path:
    """Return the folder of the shipped profiles."""
    return playbooks() / "profiles"
