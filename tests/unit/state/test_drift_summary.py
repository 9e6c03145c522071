from __future__ import annotations

from pathlib import Path

from agent.state.drift_summary import FILE, LookSummary, load_summaries, summarise, write_summaries
from tests.unit.drift.samples import drift


def test_drifts_are_counted_by_check_or_area_and_alike_ones_have_one_fingerprint() -> None:
    found = [drift(), drift(against="profile", area="check", key="kernel.sysctl vm.swappiness"),
             drift(against="profile", area="check", key="kernel.sysctl fs.nr_open")]
    look = summarise("profile", found, 5.0)
    assert (look.items, look.finished) == ({"kernel.sysctl": 2}, 5.0)
    assert look.fingerprint == summarise("profile", found[1:], 9.0).fingerprint != ""
    assert summarise("profile", found[:2], 5.0).fingerprint != look.fingerprint
    assert summarise("baseline", [], 5.0) == LookSummary("baseline", {}, "", 5.0)


def test_a_look_against_one_thing_leaves_what_is_known_of_the_other(tmp_path: Path) -> None:
    write_summaries(tmp_path, [LookSummary("profile", {"a": 1}, "x", 1.0), LookSummary("baseline", {}, "", 1.0)])
    write_summaries(tmp_path, [LookSummary("profile", {}, "", 2.0)])
    assert {look.against: (look.items, look.finished) for look in load_summaries(tmp_path)} == {
        "profile": ({}, 2.0), "baseline": ({}, 1.0)}


def test_no_file_and_a_damaged_one_tell_nothing(tmp_path: Path) -> None:
    assert load_summaries(tmp_path) == ()
    for text in ("{", "[]", '{"looks": [1]}', '{"looks": [{"against": "p"}]}'):
        (tmp_path / FILE).write_text(text)
        assert load_summaries(tmp_path) == ()
