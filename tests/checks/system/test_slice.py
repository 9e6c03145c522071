"""The slice for jobs, and the memory kept for logins."""

from __future__ import annotations

import pytest

from agent.machine.systemd import KEPT, OTHERS, units_argv
from agent.model.errors import Unobservable
from checks.system import slice as ai_slice
from checks.system import user_memory
from tests.checks.findings import SYSTEMD, only, profile, units_text
from tests.fixtures import FakeMachine

PATH = "/etc/systemd/system/ai.slice"
SIZES = profile().sizes
LIVE = {"FragmentPath": PATH, "CPUWeight": "80", "MemoryHigh": str(SIZES.slice_memory_high_bytes),
        "MemoryMax": str(SIZES.slice_memory_max_bytes), "NeedDaemonReload": "no"}
WRITTEN = f"[Slice]\nCPUWeight=80\nMemoryHigh={LIVE['MemoryHigh']}\nMemoryMax={LIVE['MemoryMax']}\n"


def machine(text: str = WRITTEN, **changed: str) -> FakeMachine:
    return FakeMachine({PATH: text}, {units_argv(): units_text(*KEPT, ai_slice=LIVE | changed)}, folders=SYSTEMD)


def test_limits_in_the_file_and_in_force_pass():
    assert only(ai_slice.CHECK, machine()).verdict == "pass"


@pytest.mark.parametrize(("text", "changed", "word"), [
    (WRITTEN.replace("CPUWeight=80", "CPUWeight=1000"), {}, "CPUWeight file: 1000"),
    (WRITTEN, {"MemoryMax": "infinity"}, "MemoryMax in force: no limit"),
    (WRITTEN, {"MemoryHigh": str(1 << 30)}, "MemoryHigh in force: 1 GiB"),
    (WRITTEN + "MemoryMax=50%\n", {}, "MemoryMax file: 50%"),
    (WRITTEN, {"NeedDaemonReload": "yes"}, "after systemd read it"),
])
def test_a_limit_edited_in_the_file_or_in_force_fails(text, changed, word):
    finding = only(ai_slice.CHECK, machine(text, **changed))
    assert (finding.verdict, finding.remedy.role) == ("fail", "slice")
    assert word in finding.summary


def test_a_drop_in_counts_as_part_of_the_file():
    place = "/etc/systemd/system/ai.slice.d/50-site.conf"
    other = machine(DropInPaths=place)
    other.files[place] = "[Slice]\nMemoryMax=infinity\n"
    assert "MemoryMax file: no limit" in only(ai_slice.CHECK, other).summary


def test_systemd_makes_slices_up_so_only_a_file_counts():
    live = {"FragmentPath": "", "CPUWeight": "[not set]", "MemoryHigh": "infinity", "MemoryMax": "infinity"}
    finding = only(ai_slice.CHECK, machine(**live))
    assert finding.verdict == "fail"
    assert "There is no ai.slice" in finding.summary


def test_no_limit_in_the_profile_wants_no_limit():
    wanted = {"system": {"slice": {"memory_max_percent": None}}}
    text = WRITTEN.replace(f"MemoryMax={LIVE['MemoryMax']}", "MemoryMax=infinity")
    assert only(ai_slice.CHECK, machine(text, MemoryMax="infinity"), **wanted).verdict == "pass"


def test_without_systemd_it_is_unknown_and_switched_off_not_applicable():
    assert only(ai_slice.CHECK, FakeMachine()).verdict == "unknown"
    assert only(ai_slice.CHECK, FakeMachine(), system={"slice": {"enabled": False}}).verdict == "not-applicable"


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (str(2 << 30), "pass"),
        ("infinity", "pass"),
        (str(1 << 30), "fail"),
        ("0", "fail"),
        ("[not set]", "fail"),
    ],
)
def test_user_slice_must_keep_the_wanted_memory(value, verdict):
    text = units_text(*OTHERS, user_slice={"MemoryMin": value})
    seen = FakeMachine(commands={units_argv(OTHERS): text}, folders=SYSTEMD)
    assert only(user_memory.CHECK, seen, system={"slice": {"user_memory_min": "2G"}}).verdict == verdict


def test_user_memory_is_unknown_when_systemctl_fails_and_not_applicable_when_not_wanted():
    broken = FakeMachine(commands={units_argv(OTHERS): Unobservable("systemctl: timed out")}, folders=SYSTEMD)
    assert only(user_memory.CHECK, broken, system={"slice": {"user_memory_min": "2G"}}).verdict == "unknown"
    assert only(user_memory.CHECK, broken).verdict == "not-applicable"
