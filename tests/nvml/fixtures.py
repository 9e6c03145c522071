"""Fixtures of the stand-in library; a conftest imports them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.nvml.stand_in import StandIn, library_folder


@pytest.fixture(scope="session")
def nvml_library() -> Path:
    """The folder of the built library."""
    return library_folder()


@pytest.fixture
def stand_in(nvml_library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """The stand-in library, told to the probe of this process."""
    made = StandIn(nvml_library, tmp_path)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made
