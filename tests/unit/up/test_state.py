from __future__ import annotations

from pathlib import Path

import pytest

from agent.model.errors import StateError
from agent.up.state import StateFile
from tests.unit.up.world import first_boot


def test_what_was_saved_is_found(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "state")
    assert file.find() is None
    state = first_boot(notes=("one", "two"), check_report=7)
    file.save(state)
    assert file.find() == state
    assert file.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 99}', '{"schema": 1, "stage": "moon", "notes": []}'])
def test_a_damaged_file_is_an_error_that_says_how_to_begin_anew(tmp_path: Path, text: str) -> None:
    file = StateFile(tmp_path)
    file.path.write_text(text)
    with pytest.raises(StateError) as error:
        file.find()
    assert str(file.path) in error.value.hint


def test_a_note_is_kept_once() -> None:
    assert first_boot().noted("a", "b").noted("a").notes == ("a", "b")
