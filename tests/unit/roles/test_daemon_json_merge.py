"""Merging into daemon.json: what is not named stays, and stays where it is."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.ansible_modules import load_module

daemon_json = load_module("daemon_json")
from ansible.module_utils.merge import (  # noqa: E402
    ABSENT,
    NotAnObjectError,
    differences,
    merged,
    parse_object,
    rendered,
)

patient = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])

leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3)
                      | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3), max_leaves=8)
objects = st.dictionaries(st.sampled_from("abcdef"), values, max_size=5)


def test_keys_that_are_not_named_keep_value_and_order() -> None:
    theirs = {"dns": ["1.1.1.1"], "log-opts": {"env": "os", "max-size": "1g"}, "data-root": "/srv"}
    after = merged(theirs, {"log-opts": {"max-size": "50m"}, "live-restore": True})
    assert list(after) == ["dns", "log-opts", "data-root", "live-restore"]
    assert after["log-opts"] == {"env": "os", "max-size": "50m"}


def test_lists_are_extended_in_order_and_never_shortened() -> None:
    assert merged({"x": ["b", "a"]}, {"x": ["a", "c"]}) == {"x": ["b", "a", "c"]}


def test_features_of_others_survive_cdi() -> None:
    after = merged({"features": {"containerd-snapshotter": True}}, {"features": {"cdi": True}})
    assert after["features"] == {"containerd-snapshotter": True, "cdi": True}


@patient
@given(objects, objects)
def test_merging_twice_is_merging_once(theirs, ours) -> None:
    once = merged(theirs, ours)
    assert merged(once, ours) == once
    assert differences(once, merged(once, ours)) == []


@patient
@given(objects, objects)
def test_neither_side_is_changed_and_foreign_keys_stay(theirs, ours) -> None:
    before = json.dumps([theirs, ours])
    after = merged(theirs, ours)
    assert json.dumps([theirs, ours]) == before
    assert all(after[key] == theirs[key] for key in theirs if key not in ours)


@patient
@given(objects)
def test_what_is_rendered_is_read_back(value) -> None:
    assert parse_object(rendered(value)) == value


def test_true_is_not_one() -> None:
    assert differences({"debug": 1}, {"debug": True}) == [(("debug",), 1, True)]


def test_a_new_object_is_listed_key_by_key() -> None:
    assert differences({}, {"log-opts": {"max-size": "50m"}}) == [(("log-opts", "max-size"), ABSENT, "50m")]


@pytest.mark.parametrize(("text", "place"), [
    ('{\n  "debug": true,\n}', "3:1|2:16"), ('{"a" 1}', "1:6"), ("[1]", "1:1"), ('{"a": 1, "a": 2}', "twice"),
    ('{"a": 1} x', "1:10")])
def test_what_is_no_object_is_refused_with_its_place(text, place) -> None:
    with pytest.raises(NotAnObjectError, match=place):
        parse_object(text)


@pytest.mark.parametrize("text", ["", " \n", "{}"])
def test_an_empty_file_is_an_empty_object(text) -> None:
    assert parse_object(text) == {}


@pytest.mark.parametrize("indent", [2, 4, "\t"])
def test_the_files_own_indent_is_kept(indent) -> None:
    text = json.dumps({"a": {"b": 1}}, indent=indent) + "\n"
    assert rendered({"a": {"b": 1}}, like=text) == text
