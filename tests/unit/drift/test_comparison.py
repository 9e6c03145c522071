from __future__ import annotations

from agent.drift.comparison import compare
from agent.model.drift import UNREAD, Difference
from tests.unit.drift.samples import fingerprint


def test_what_is_new_gone_or_other_is_a_difference() -> None:
    found, unseen = compare(
        fingerprint({"package": {"a": "1", "b": "1", "c": "1"}}),
        fingerprint({"package": {"a": "1", "b": "2", "d": "1"}}),
    )
    assert found == [
        Difference("package", "b", "1", "2"),
        Difference("package", "c", "1", ""),
        Difference("package", "d", "", "1"),
    ]
    assert unseen == {}


def test_the_same_is_none() -> None:
    facts = {"package": {"a": "1"}}
    assert compare(fingerprint(facts), fingerprint(facts, taken=9e9)) == ([], {})


def test_what_one_side_could_not_read_is_unseen_never_a_difference() -> None:
    before = fingerprint({"sudo": {"/etc/sudoers": "x"}, "user": {"a": "1"}})
    after = fingerprint({"sudo": {"/etc/sudoers": UNREAD}}, unread={"user": "no permission"})
    assert compare(before, after) == ([], {"user": "no permission"})


def test_an_area_only_a_newer_version_knows_is_not_compared() -> None:
    assert compare(fingerprint({}), fingerprint({"new": {"a": "1"}})) == ([], {})


def test_rules_leave_facts_out_and_only_those() -> None:
    before, after = (
        fingerprint({"package": {}}),
        fingerprint({"package": {"linux-image-6": "1", "curl": "1"}}),
    )
    found, _ = compare(before, after, ignore=["package linux-*", "image *"])
    assert [item.key for item in found] == ["curl"]


def test_areas_can_be_left_out() -> None:
    assert compare(fingerprint({"a": {"x": "1"}}), fingerprint({"a": {}}), left_out={"a"}) == (
        [],
        {},
    )
