from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from agent.model.drift import Baseline
from agent.model.errors import StateError
from agent.state.drifts import Drifts
from tests.unit.drift.samples import drift, fingerprint

BASELINE = Baseline(fingerprint({"package": {"curl": "1"}}), 100.0, "handed over", "alice")


@pytest.fixture
def store(tmp_path: Path) -> Drifts:
    return Drifts(tmp_path)


def test_the_newest_baseline_of_a_machine_is_found_as_it_was(store: Drifts) -> None:
    assert store.find_baseline("box-7") is None
    store.accept(BASELINE)
    newer = replace(BASELINE, accepted=200.0, reason="new card")
    store.accept(newer)
    assert store.find_baseline("box-7") == newer
    assert store.find_baseline("box-8") is None


def test_a_drift_keeps_when_it_was_first_seen_until_it_ends(store: Drifts) -> None:
    for taken in (10.0, 20.0, 30.0):
        store.note("box-7", taken, [drift()], [])
    (kept,) = store.open_drifts("box-7").values()
    assert (kept.drift, kept.first_seen, kept.last_seen, kept.ended) == (drift(), 10.0, 30.0, None)
    store.note("box-7", 40.0, [], [replace(kept, ended=40.0, put_back="apt")])
    assert store.open_drifts("box-7") == {}
    assert [(each.ended, each.put_back) for each in store.since("box-7", 35.0)] == [(40.0, "apt")]
    assert store.since("box-7", 41.0) == []
    assert store.last_look("box-7") == 40.0


def test_a_value_that_changes_once_more_is_another_drift(store: Drifts) -> None:
    store.note("box-7", 10.0, [drift(after="2")], [])
    store.note("box-7", 20.0, [drift(after="3")], [])
    assert [(each.drift.after, each.ended, each.put_back) for each in store.since("box-7", 0)] == [
        ("2", 20.0, "changed once more"),
        ("3", None, ""),
    ]


def test_accepting_settles_what_differed_from_the_baseline_before(store: Drifts) -> None:
    store.note("box-7", 10.0, [drift(), drift("x", against="profile", area="check")], [])
    store.accept(BASELINE)
    assert [each.drift.against for each in store.open_drifts("box-7").values()] == ["profile"]
    assert store.since("box-7", 50.0)[0].put_back == "accepted by alice: handed over"


def test_a_damaged_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "drift.sqlite").write_bytes(b"no database" * 200)
    with pytest.raises(StateError, match=r"drift\.sqlite"):
        Drifts(tmp_path)


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    store = Drifts(tmp_path)
    with closing(sqlite3.connect(store.file)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(StateError, match="newer Firstlight"):
        Drifts(tmp_path)
