from __future__ import annotations

import pytest

from agent.machine.systemd import (
    find_container,
    observe_unit_files,
    observe_units,
    parse_limit,
    parse_properties,
    parse_unit,
    units_argv,
)
from agent.model.errors import Unobservable
from tests.fixtures import FakeMachine

SYSTEMD = ("/run/systemd/system",)


def test_units_are_known_by_the_name_asked_for_even_when_it_is_an_alias():
    text = "Id=chrony.service\nLoadState=loaded\n\nId=x.service\nLoadState=not-found\n"
    machine = FakeMachine(commands={units_argv(("chronyd.service", "x.service")): text}, folders=SYSTEMD)
    units = observe_units(machine, ("chronyd.service", "x.service"))
    assert units["chronyd.service"]["Id"] == "chrony.service"
    assert units["x.service"]["LoadState"] == "not-found"


def test_an_answer_about_fewer_units_is_unobservable():
    machine = FakeMachine(commands={units_argv(("a", "b")): "Id=a\n"}, folders=SYSTEMD)
    with pytest.raises(Unobservable, match="1 of 2"):
        observe_units(machine, ("a", "b"))


def test_without_systemd_no_command_is_run():
    machine = FakeMachine()
    with pytest.raises(Unobservable, match="systemd does not run"):
        observe_units(machine)
    assert all(question[0] != "run" for question in machine.asked)


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({"/run/systemd/container": "lxc\n"}, "lxc"),
        ({"/.dockerenv": ""}, "docker"),
        ({"/run/.containerenv": ""}, "podman"),
        ({}, ""),
    ],
)
def test_a_container_is_recognised_by_systemds_note_or_its_engines_marker(files, kind):
    assert find_container(FakeMachine(files)) == kind


def test_values_may_contain_equal_signs():
    assert parse_properties("A=b=c\nnothing\nD=\n") == {"A": "b=c", "D": ""}


def test_the_last_value_of_a_key_in_its_section_counts():
    text = "# c\n[Slice]\nMemoryMax=1G\n; MemoryMax=3G\nMemoryMax = 2G\n[Unit]\nMemoryMax=9G\nWants=a \\\n b\n"
    assert parse_unit(text) == {("Slice", "MemoryMax"): "2G", ("Unit", "MemoryMax"): "9G", ("Unit", "Wants"): "a   b"}


def test_drop_ins_come_after_the_file():
    machine = FakeMachine({"/u": "[Slice]\nA=1\nB=1\n", "/d": "[Slice]\nB=2\n"})
    values = observe_unit_files(machine, {"FragmentPath": "/u", "DropInPaths": "/d"})
    assert values == {("Slice", "A"): "1", ("Slice", "B"): "2"}


@pytest.mark.parametrize(("text", "value"), [
    ("infinity", None), ("[not set]", None), ("", None), ("1048576", 1 << 20), ("50G", 50 << 30),
])
def test_limits_are_bytes_or_none(text, value):
    assert parse_limit(text) == value


def test_a_percentage_is_no_limit_we_can_compare():
    with pytest.raises(ValueError, match="50%"):
        parse_limit("50%")
