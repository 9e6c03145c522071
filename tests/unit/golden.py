"""Whole outputs kept as files. FIRSTLIGHT_GOLDEN=write makes them anew; look at the difference before keeping it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def assert_golden(text: str, file: Path) -> None:
    """Assert that `text` is what the golden file holds."""
    if os.environ.get("FIRSTLIGHT_GOLDEN") == "write":
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")
