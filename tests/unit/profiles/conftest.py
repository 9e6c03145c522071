from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty site folder, so that no test reads this machine's /etc/firstlight."""
    folder = tmp_path / "etc"
    folder.mkdir()
    monkeypatch.setenv("FIRSTLIGHT_CONFIG", str(folder))
    return folder
