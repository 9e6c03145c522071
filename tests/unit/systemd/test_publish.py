from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from agent.model.drift import Drift
from agent.model.errors import StateError
from agent.model.finding import CheckRun, Finding, Report
from agent.model.job import JobLine
from agent.model.verdict import Verdict
from agent.state.drifts import Drifts
from agent.state.history import SCHEMA_VERSION, History
from agent.state.jobs import JobHistory
from agent.state.measured import Measured
from agent.state.reading import Watcher
from agent.systemd.publish import KEPT, publish, renew

NOW = time.time()
REPORT = Report("m", "p", "d", "deep", NOW, NOW + 1, (CheckRun("a.b", "T", 0.1, (Finding("a.b", Verdict.PASS, "x"),)),))


def kept(state: Path) -> None:
    with History(state) as history:
        history.add_report(REPORT)
        for _ in range(KEPT + 10):
            history.add_report(replace(REPORT, level="quick"))


def levels(file: Path) -> list[str]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION
        return [row[0] for row in db.execute("SELECT level FROM entry ORDER BY id")]


def test_the_newest_entries_and_the_newest_of_each_level_are_published(tmp_path: Path) -> None:
    kept(tmp_path)
    assert levels(publish(tmp_path)) == ["deep"] + ["quick"] * KEPT
    assert [path.name for path in (tmp_path / "public").iterdir()] == ["history.sqlite"]


def test_partial_reports_do_not_push_the_newest_whole_one_out(tmp_path: Path) -> None:
    with History(tmp_path) as history:
        number = history.add_report(replace(REPORT, level="quick"))
        for _ in range(KEPT + 1):
            history.add_report(replace(REPORT, level="quick", partial=True))
    with closing(sqlite3.connect(publish(tmp_path))) as db:
        assert db.execute("SELECT min(id), count(*) FROM entry").fetchone() == (number, KEPT + 1)


def test_whoever_may_not_write_can_read_it(open_folder: Path, as_nobody) -> None:
    if os.geteuid() != 0:
        pytest.skip("as root another user can be tried")
    kept(open_folder)
    file = publish(open_folder)
    with as_nobody():
        assert levels(file)


def test_without_a_history_there_is_a_folder_and_no_file(tmp_path: Path) -> None:
    assert not publish(tmp_path).exists()
    assert (tmp_path / "public").is_dir()


def test_a_damaged_history_is_an_error_and_the_old_copy_stays(tmp_path: Path) -> None:
    kept(tmp_path)
    before = publish(tmp_path).read_bytes()
    (tmp_path / "history.sqlite").write_bytes(b"not a database, certainly not one" * 99)
    with pytest.raises(StateError, match="cannot be copied"):
        publish(tmp_path)
    assert (tmp_path / "public" / "history.sqlite").read_bytes() == before


def test_drifts_and_job_results_reach_the_exporter_without_their_values(tmp_path: Path) -> None:
    kept(tmp_path)
    jobs = JobHistory(History(tmp_path))
    for seconds in (1.0, 2.0):
        jobs.add(JobLine("m", "nvcc", "", "", NOW, seconds, "pass", {"compile_ms": 7.0}, {"log": "private"}))
    jobs.close()
    drifts = Drifts(tmp_path)
    drifts.note("m", NOW, [Drift("baseline", "sudo", "ops", "ALL=(ALL) secret", "ALL=(ALL) other")], [])
    folder = publish(tmp_path).parent
    public = Measured(Watcher(folder, "m"))
    assert [line.duration_s for line in public.newest_results()] == [2.0]
    looked = public.open_drifts()
    assert looked is not None
    assert (looked[0], [drift.key for drift in looked[1]]) == (NOW, ["ops"])
    assert not public.has_baseline()
    said = b"".join(path.read_bytes() for path in folder.iterdir())
    assert b"private" not in said
    assert b"ALL=" not in said


def test_it_is_renewed_only_where_it_was_published(tmp_path: Path) -> None:
    kept(tmp_path)
    renew(tmp_path)
    assert not (tmp_path / "public").exists()
    publish(tmp_path)
    (tmp_path / "public" / "history.sqlite").unlink()
    renew(tmp_path)
    assert (tmp_path / "public" / "history.sqlite").exists()
