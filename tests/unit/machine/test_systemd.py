from __future__ import annotations

import pytest

from agent.machine.systemd import (
    KEPT,
    OTHERS,
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


BACKUP = "firstlight-backup-models.timer"


def told(*more: str, of: tuple[str, ...] = KEPT) -> str:
    """Return what systemctl says of some units, chronyd being an alias, and of more that match the pattern."""
    blocks = [f"Id={name.replace('chronyd', 'chrony')}\nLoadState=loaded\n" for name in of]
    return "\n".join([*blocks, *more])


def machine(**commands: str) -> FakeMachine:
    argvs = {"kept": units_argv(), "others": units_argv(OTHERS), "backup": units_argv((BACKUP,)),
             "both": units_argv(("a", "b"))}
    return FakeMachine(commands={argvs[name]: text for name, text in commands.items()}, folders=SYSTEMD)


def test_units_are_known_by_the_name_asked_for_even_when_it_is_an_alias():
    units = observe_units(machine(others=told(of=OTHERS)), ("chronyd.service", "user.slice"))
    assert units["chronyd.service"]["Id"] == "chrony.service"
    assert units["user.slice"]["Id"] == "user.slice"


def test_what_the_pattern_brings_is_known_by_its_id_and_costs_no_command_of_its_own():
    seen = machine(kept=told(f"Id={BACKUP}\nActiveState=active\n"))
    assert observe_units(seen, (BACKUP, "docker.service"))[BACKUP]["ActiveState"] == "active"


def test_a_unit_that_the_shared_answer_does_not_tell_of_is_asked_for_by_itself():
    seen = machine(kept=told(), backup=f"Id={BACKUP}\nLoadState=not-found\n")
    assert observe_units(seen, (BACKUP,))[BACKUP]["LoadState"] == "not-found"


def test_what_roles_keep_is_asked_without_the_rest():
    seen = machine(kept=told())
    assert observe_units(seen, ("ai.slice",))["ai.slice"]["LoadState"] == "loaded"
    assert len([question for question in seen.asked if question[0] == "run"]) == 1


def test_an_answer_about_fewer_units_is_unobservable():
    with pytest.raises(Unobservable, match=f"1 of {len(KEPT)}"):
        observe_units(machine(kept="Id=a\n"), ("ai.slice",))
    with pytest.raises(Unobservable, match=f"1 of {len(OTHERS)}"):
        observe_units(machine(others="Id=a\n"), ("user.slice",))
    with pytest.raises(Unobservable, match="1 of 2"):
        observe_units(machine(both="Id=a\n"), ("a", "b"))


def test_without_systemd_no_command_is_run():
    nowhere = FakeMachine()
    with pytest.raises(Unobservable, match="systemd does not run"):
        observe_units(nowhere, KEPT)
    assert all(question[0] != "run" for question in nowhere.asked)


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
