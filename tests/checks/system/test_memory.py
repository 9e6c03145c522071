"""Swap, memory pressure and control groups."""

from __future__ import annotations

import pytest

from agent.model.errors import Unobservable
from checks.system import cgroup, memory_pressure, swap
from tests.checks.findings import CONTAINER, DENIED, only, verdicts
from tests.fixtures import FakeMachine

HEAD = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
KIB = 4 << 20  # the rule's 4 GiB for a machine of 32
FILE = f"/swap.img                               file\t\t{KIB}\t\t0\t\t-2\n"
LINE = "/swap.img none swap sw 0 0\n"


def swapping(areas: str, fstab: str = "", **more: object) -> FakeMachine:
    return FakeMachine({"/proc/swaps": HEAD + areas, "/etc/fstab": fstab}, **more)


def test_enough_swap_that_stands_in_fstab_passes():
    assert verdicts(swap.CHECK, swapping(FILE, LINE)) == [("pass", "")]
    assert verdicts(swap.CHECK, swapping(FILE.replace(str(KIB), str(KIB * 91 // 100)), LINE)) == [("pass", "")]


def test_a_partition_needs_no_line_of_ours():
    assert verdicts(swap.CHECK, swapping(f"/dev/nvme0n1p3 partition {KIB} 0 -2\n")) == [("pass", "")]


@pytest.mark.parametrize("areas", ["", FILE.replace(str(KIB), str(KIB // 2)), f"/dev/zram0 partition {KIB} 0 100\n"])
def test_no_swap_too_little_and_compressed_memory_fail(areas):
    finding = only(swap.CHECK, swapping(areas, LINE))
    assert (finding.verdict, finding.remedy.role) == ("fail", "swap")


@pytest.mark.parametrize("fstab", ["", "#" + LINE, LINE.replace("sw ", "sw,noauto ")])
def test_a_swap_file_without_a_line_in_fstab_fails(fstab):
    assert verdicts(swap.CHECK, swapping(FILE, fstab)) == [("fail", "/swap.img")]


def test_somebody_elses_swap_file_without_a_line_is_a_warning_for_a_human():
    finding = only(swap.CHECK, swapping(FILE.replace("/swap.img", "/mnt/swap")))
    assert (finding.verdict, finding.remedy.role) == ("warn", None)


def test_unreadable_swaps_are_unknown_and_no_swap_wanted_not_applicable():
    assert only(swap.CHECK, swapping(FILE, LINE, errors={"/proc/swaps": DENIED})).verdict == "unknown"
    assert only(swap.CHECK, FakeMachine(), system={"swap": {"enabled": False}}).verdict == "not-applicable"
    assert only(swap.CHECK, FakeMachine(), system={"swap": {"size": 0}}).verdict == "not-applicable"


def memory(available_kb: int, pressure: str | Exception | None = "0.00") -> FakeMachine:
    files = {"/proc/meminfo": f"MemTotal:  1000000 kB\nMemFree: 10 kB\nMemAvailable:  {available_kb} kB\n"}
    if isinstance(pressure, str):
        files[memory_pressure.PRESSURE] = (
            f"some avg10=1 avg60=99.0 x\nfull avg10=0.00 avg60={pressure} avg300=0 total=1\n"
        )
    errors = {memory_pressure.PRESSURE: pressure} if isinstance(pressure, Exception) else {}
    return FakeMachine(files, errors=errors)


@pytest.mark.parametrize(
    ("available_kb", "pressure", "verdict"),
    [
        (500_000, "0.00", "pass"),
        (500_000, "35.20", "warn"),
        (40_000, "0.00", "warn"),
        (10_000, "0.00", "fail"),
        (500_000, None, "pass"),
        (500_000, Unobservable("Operation not supported"), "pass"),
        (10_000, None, "fail"),
    ],
)
def test_memory_is_judged_by_what_is_available_and_by_stalls(available_kb, pressure, verdict):
    assert only(memory_pressure.CHECK, memory(available_kb, pressure)).verdict == verdict


def test_an_unreadable_or_strange_meminfo_is_unknown():
    assert only(memory_pressure.CHECK, FakeMachine(errors={"/proc/meminfo": DENIED})).verdict == "unknown"
    assert only(memory_pressure.CHECK, FakeMachine({"/proc/meminfo": "MemFree: 1 kB\n"})).verdict == "unknown"


V2 = "30 20 0:25 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
HYBRID = (
    "30 20 0:25 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n31 30 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw\n"
    "32 30 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
)


def groups(mounts: str, controllers: str = "cpuset cpu io memory pids") -> FakeMachine:
    return FakeMachine({"/proc/self/mountinfo": mounts, "/sys/fs/cgroup/cgroup.controllers": controllers})


@pytest.mark.parametrize(
    ("machine", "verdict", "word"),
    [
        (groups(V2), "pass", "version 2"),
        (groups(HYBRID), "warn", "mixed"),
        (groups(V2, "cpu io"), "warn", "memory"),
        (groups(HYBRID.replace("cgroup2", "cgroup")), "warn", "version 1"),
        (groups(""), "warn", "No control groups"),
    ],
)
def test_only_version_2_with_its_controllers_passes(machine, verdict, word):
    finding = only(cgroup.CHECK, machine)
    assert finding.verdict == verdict
    assert word in finding.summary


def test_a_container_is_not_applicable_and_unreadable_mounts_unknown():
    machine = groups(HYBRID)
    machine.files |= CONTAINER
    assert only(cgroup.CHECK, machine).verdict == "not-applicable"
    assert only(cgroup.CHECK, FakeMachine(errors={"/proc/self/mountinfo": DENIED})).verdict == "unknown"
