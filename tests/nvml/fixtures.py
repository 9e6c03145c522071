"""Fixtures of the stand-in library; a conftest imports them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.nvml.stand_in import StandIn, library_folder


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """The stand-in library, told to the probe of this process; nothing is there before a profile is taken."""
    library_folder()
    made = StandIn(tmp_path)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made
