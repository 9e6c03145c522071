"""How far a pull is: bytes on a terminal, and only what goes wrong anywhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.cli import image_progress
from agent.images.pulling import Progress
from agent.images.reference import parse_reference

if TYPE_CHECKING:
    import pytest

NAME = parse_reference("quay.io/a/b:1")


def shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, terminal: bool) -> str:
    """Return what stands on stderr after 600 of 1500 MB, a broken connection told twice, and the rest."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    monkeypatch.setattr(image_progress, "EVERY_S", 0.0)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    progress = Progress({"1" * 12: 1_500_000_000})
    line = image_progress.Line()
    progress.take({"id": "1" * 12, "status": "Downloading", "progressDetail": {"current": 600_000_000}})
    line.on_progress(NAME, progress, "")
    for _ in range(2):
        line.on_progress(NAME, progress, "the connection broke; Retrying in 5 seconds")
    progress.take({"id": "1" * 12, "status": "Pull complete"})
    line.on_progress(NAME, progress, "")
    line.clear()
    return capsys.readouterr().err


def test_a_terminal_shows_bytes_and_keeps_what_went_wrong(monkeypatch, capsys) -> None:
    said = shown(monkeypatch, capsys, terminal=True)
    assert "quay.io/a/b:1: 600.0 MB of 1.5 GB" in said
    assert "1.5 GB of 1.5 GB" in said
    assert said.count("the connection broke") == 1
    assert said.endswith("\x1b[2K")


def test_who_waits_finds_the_same_line_in_its_file(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(image_progress, "EVERY_S", 0.0)
    progress = Progress({"1" * 12: 1_500_000_000})
    line = image_progress.Line(tmp_path / "far")
    progress.take({"id": "1" * 12, "status": "Downloading", "progressDetail": {"current": 600_000_000}})
    line.on_progress(NAME, progress, "")
    assert (tmp_path / "far").read_text() == "quay.io/a/b:1: 600.0 MB of 1.5 GB"
    gone = image_progress.Line(tmp_path / "nowhere" / "far")
    gone.on_progress(NAME, progress, "")


def test_a_log_gets_only_what_went_wrong(monkeypatch, capsys) -> None:
    said = shown(monkeypatch, capsys, terminal=False)
    assert "of 1.5 GB" not in said
    assert said.count("the connection broke") == 1
