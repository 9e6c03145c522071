"""A small content of its own, run for real by ansible-runner in a temporary folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from agent.provision.job import Job
from agent.provision.places import Places

if TYPE_CHECKING:
    from collections.abc import Callable

CONTENT = Path(__file__).parent / "content"
SHIPPED = Path(__file__).parents[3] / "playbooks"


@pytest.fixture(scope="session")
def content(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the content beside the callback plugin that is shipped."""
    folder = tmp_path_factory.mktemp("content")
    for name in ("site.yml", "roles", "library", "module_utils"):
        (folder / name).symlink_to(CONTENT / name)
    (folder / "callback_plugins").symlink_to(SHIPPED / "callback_plugins")
    return folder


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Return the folder the roles change."""
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path / "runtime", tmp_path / "state")


@pytest.fixture
def job(content: Path, target: Path) -> Callable[..., Job]:
    def make(*roles: str, **variables: Any) -> Job:
        given = {"folder": str(target), "colour": "blue", "beta": "two changes", **variables}
        return Job("test", "digest", roles or ("alpha", "beta", "gamma"), given, content,
                   privileged=False, needs_root=False)
    return make
