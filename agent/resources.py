"""The one reader of shipped data: playbooks, profiles, image catalogue, schemas."""

from __future__ import annotations

import functools
from pathlib import Path

from agent.model.errors import FirstlightError


@functools.cache
def playbooks() -> Path:
    """Return the folder that holds site.yml, roles/, library/ and profiles/ (a wheel or a work tree)."""
    return _shipped("playbooks")


@functools.cache
def images() -> Path:
    """Return the folder that holds catalogue.yaml and the build contexts of our own images."""
    return _shipped("images")


def _shipped(name: str) -> Path:
    package = Path(__file__).resolve().parent
    for folder in (package / "_data" / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise FirstlightError(
        f"the {name} that belong to Firstlight are not installed",
        "install it again, from its source folder: pip install --force-reinstall --no-deps .",
    )


def profiles() -> Path:
    """Return the folder of the shipped profiles."""
    return playbooks() / "profiles"


def job_scripts() -> Path:
    """Return the folder of the smoke jobs' scripts, which stands in the package `checks`."""
    folder = Path(__file__).resolve().parent.parent / "checks" / "smoke" / "jobs"
    if folder.is_dir():
        return folder
    raise FirstlightError(
        "the smoke jobs that belong to Firstlight are not installed",
        "install it again, from its source folder: pip install --force-reinstall --no-deps .",
    )
