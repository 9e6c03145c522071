"""Module image_set: the same list planned and made, and what a refusal or a broken program says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from tests.ansible_modules import load_module

if TYPE_CHECKING:
    import pytest

image_set = load_module("image_set")
GOOD = {"reference": "a/b:1", "outcome": "pulled", "digest": "sha256:1", "error": "", "hint": ""}
REFUSED = {"reference": "a/c:1", "outcome": "refused", "digest": "", "error": "it is for amd64 only",
           "hint": "pull this instead: c/d:1"}
FAILED = {"reference": "a/d:1", "outcome": "failed", "digest": "x", "error": "a/d:1: the disk is full", "hint": ""}


def program(folder: Path, answer: str, code: int = 0) -> dict[str, object]:
    """Write a program that notes its words and answers; return the module's parameters."""
    file = folder / "firstlight"
    told = f'echo "$@" $CREDENTIALS_DIRECTORY >{folder}/asked\ncat {folder}/answer\nexit {code}\n'
    file.write_text(f"#!/bin/sh\n{told}")
    file.chmod(0o755)
    (folder / "answer").write_text(answer)
    return {"names": ["cuda", "a/b:1"], "program": str(file), "credentials": "/etc/x", "systemd_credentials": "/run/c"}


def envelope(data: object, *errors: dict[str, str]) -> str:
    return json.dumps({"ok": not errors, "data": data, "errors": list(errors), "meta": {}})


def test_what_would_be_pulled_and_what_was_make_the_same_list() -> None:
    planned = image_set.listed_changes([GOOD | {"outcome": "would be pulled"}, REFUSED, GOOD | {"outcome": "here"}])
    assert planned == image_set.listed_changes([GOOD, FAILED])
    assert planned == [{"target": "a/b:1", "before": "absent", "after": "sha256:1"}]


def test_each_image_that_went_wrong_is_named_once() -> None:
    said = image_set.complaint([GOOD, REFUSED, FAILED])
    assert said == "a/c:1: it is for amd64 only. pull this instead: c/d:1; a/d:1: the disk is full"
    assert image_set.complaint([GOOD]) == ""


def test_the_program_is_asked_by_argv_and_check_mode_pulls_nothing(tmp_path: Path) -> None:
    asked = program(tmp_path, envelope([GOOD]))
    assert image_set.ask(asked, True) == ([GOOD], "")
    words = (tmp_path / "asked").read_text().split()
    assert words == ["images", "pull", "cuda", "a/b:1", "-o", "json", "--credentials", "/etc/x", "--dry-run", "/run/c"]
    image_set.ask(asked, False)
    assert "--dry-run" not in (tmp_path / "asked").read_text()


def test_the_program_is_told_where_to_say_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRSTLIGHT_FAR", "/run/far")
    image_set.ask(program(tmp_path, envelope([GOOD])), False)
    assert "--tell /run/far" in (tmp_path / "asked").read_text()


def test_an_error_of_the_program_is_passed_on(tmp_path: Path) -> None:
    told = envelope(None, {"message": "pytroch: no such image", "hint": "known: cuda"})
    assert image_set.ask(program(tmp_path, told, 3), False) == (None, "pytroch: no such image. known: cuda")
    rows, said = image_set.ask(program(tmp_path, "Segmentation fault", 139), False)
    assert rows is None
    assert "ended with 139" in said
    rows, said = image_set.ask(program(tmp_path, "") | {"program": "/nowhere"}, False)
    assert (rows, said) == (None, "/nowhere cannot be started: No such file or directory")
