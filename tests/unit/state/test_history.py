from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest

from agent.model.errors import FirstlightError, StateError
from agent.model.finding import Report
from agent.model.plan import Outcome, Run
from agent.state import history as module
from agent.state.atomic import write_atomic
from agent.state.folder import state_folder
from agent.state.history import History
from tests.conftest import AsNobody
from tests.unit.report.sample import HEALTHY, REPORT

Opened = Callable[[Path], History]


@pytest.fixture
def opened() -> Iterator[Opened]:
    """Opens histories that are closed at the end of the test."""
    with ExitStack() as stack:
        yield lambda folder: stack.enter_context(History(folder))


def _now(report: Report, ago_s: float = 0.0) -> Report:
    return replace(report, started=time.time() - ago_s)


def test_a_report_comes_back_as_it_went_in(tmp_path: Path, opened: Opened) -> None:
    history = opened(tmp_path)
    number = history.add_report(replace(REPORT, runs=REPORT.runs[:2]))
    history.close()
    assert opened(tmp_path).report(number).findings == REPORT.findings[:4]


def test_a_report_with_broken_characters_is_kept_all_the_same(tmp_path: Path, opened: Opened) -> None:
    history = opened(tmp_path)
    assert history.report(history.add_report(REPORT)).findings == REPORT.findings


def test_entries_are_newest_first_and_say_how_it_went(tmp_path: Path, opened: Opened) -> None:
    history = opened(tmp_path)
    history.add_report(_now(REPORT))
    run = Run("20260101T000000-1", "apply", "cpu-only", ("sysctl",), Outcome.DONE, time.time(), time.time(), ())
    history.add_run(run, "box-7")
    history.add_report(_now(HEALTHY))
    entries = history.entries()
    assert [(entry.kind, entry.exit_code) for entry in entries] == [("check", 0), ("apply", 0), ("check", 1)]
    assert [entry.id for entry in history.entries(kind="check")] == [3, 1]
    with pytest.raises(FirstlightError, match="is a run of apply"):
        history.report(2)


def test_a_number_that_is_none_is_told(tmp_path: Path, opened: Opened) -> None:
    with pytest.raises(FirstlightError, match="report 7: not in the history"):
        opened(tmp_path).report(7)


def test_old_reports_go_but_never_the_newest_nor_the_baseline(tmp_path: Path,
                                                              monkeypatch: pytest.MonkeyPatch, opened: Opened) -> None:
    monkeypatch.setattr(module, "KEPT_RUNS", 3)
    history = opened(tmp_path)
    first = history.add_report(_now(HEALTHY))
    history.accept(first)
    for _ in range(5):
        history.add_report(_now(HEALTHY))
    assert [entry.id for entry in history.entries()] == [6, 5, 4, 1]
    ancient = history.add_report(_now(HEALTHY, ago_s=400 * 86400))
    assert ancient in [entry.id for entry in history.entries()]
    history.add_report(_now(HEALTHY))
    assert ancient not in [entry.id for entry in history.entries()]


def test_one_baseline_a_machine(tmp_path: Path, opened: Opened) -> None:
    history = opened(tmp_path)
    one, two = history.add_report(_now(HEALTHY)), history.add_report(_now(REPORT))
    other = history.add_report(replace(_now(HEALTHY), machine="elsewhere"))
    assert history.find_baseline("box-7") is None
    for number in (one, two, other):
        history.accept(number)
    baseline = history.find_baseline("box-7")
    assert baseline is not None
    assert baseline.level == REPORT.level
    assert [entry.id for entry in history.entries() if entry.accepted] == [other, two]


@pytest.mark.parametrize("junk", [b"not a database at all, no", b"SQLite format 3\x00" + b"\xff" * 4096])
def test_a_damaged_history_is_set_aside_and_told(tmp_path: Path, junk: bytes, opened: Opened) -> None:
    (tmp_path / "history.sqlite").write_bytes(junk)
    history = opened(tmp_path)
    assert history.add_report(HEALTHY) == 1
    kept = next(tmp_path.glob("history.sqlite.damaged-*"))
    assert kept.read_bytes() == junk
    assert str(kept) in history.notice


def test_a_history_of_a_newer_version_is_left_alone(tmp_path: Path, opened: Opened) -> None:
    opened(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "history.sqlite")) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(StateError, match="newer Firstlight"):
        opened(tmp_path)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, opened: Opened) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="cannot be made"):
        opened(tmp_path / "file" / "below")


def test_a_folder_that_may_not_be_written_is_told(open_folder: Path, as_nobody: AsNobody, opened: Opened) -> None:
    open_folder.chmod(0o555)
    with as_nobody(), pytest.raises(StateError, match="cannot be used"):
        opened(open_folder)


def test_nobody_else_may_read_the_history(tmp_path: Path, opened: Opened) -> None:
    history = opened(tmp_path / "state")
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    assert history.file.stat().st_mode & 0o777 == 0o600


def test_two_writers_wait_for_each_other(tmp_path: Path, opened: Opened) -> None:
    one, two = opened(tmp_path), opened(tmp_path)
    assert [one.add_report(HEALTHY), two.add_report(HEALTHY), one.add_report(HEALTHY)] == [1, 2, 3]


def test_the_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(tmp_path))
    assert state_folder() == tmp_path
    monkeypatch.delenv("FIRSTLIGHT_STATE")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_STATE_HOME", "/x")
    assert state_folder() == Path("/x/firstlight")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert state_folder() == Path("/var/lib/firstlight")


def test_a_file_is_written_whole_and_never_over_another_unasked(tmp_path: Path) -> None:
    file = tmp_path / "f"
    write_atomic(file, "one", mode=0o640)
    write_atomic(file, "two")
    with pytest.raises(StateError, match="exists already"):
        write_atomic(file, "three", replace=False)
    assert (file.read_text(), list(tmp_path.iterdir())) == ("two", [file])
    with pytest.raises(StateError, match="cannot be written"):
        write_atomic(tmp_path / "no" / "f", "x")
