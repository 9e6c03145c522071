"""A virtual machine's first day, what is done behind its back, and its next boot."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from tests.node.disposable import Ran
from tests.node.drifts import DISK_MACHINE, Drift
from tests.node.profiles import MACHINE, prepare
from tests.node.readings import changes, troubles, without_the_blinded
from tests.vm.machines import DATA_SERIAL, VirtualMachine, fresh_machine

pytestmark = [pytest.mark.vm, pytest.mark.timeout(1500)]
SUITES = tuple(os.environ.get("FIRSTLIGHT_VM_SUITES", "bookworm").split())
DATA = MACHINE["storage"]["data_disks"]["disks"][0]


@pytest.fixture(scope="module", params=SUITES)
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualMachine]:
    """A booted machine with a site profile that names its data disk."""
    if os.geteuid() != 0:
        pytest.skip("needs root: debootstrap (sudo make test-vm)")
    with fresh_machine(request.param, tmp_path_factory.mktemp("vm")) as fresh:
        prepare(fresh, MACHINE)
        fresh.sh("mkdir -p /backup; mount -t tmpfs tmpfs /backup")
        yield fresh


@pytest.fixture(scope="module")
def planned(machine: VirtualMachine) -> Ran:
    """The plan on the fresh machine."""
    return machine.firstlight("plan", "-o", "json")


@pytest.fixture(scope="module")
def applied(machine: VirtualMachine, planned: Ran) -> Ran:
    """The first apply."""
    return machine.firstlight("apply", "--yes", "-o", "json")


@pytest.fixture(scope="module")
def converged(machine: VirtualMachine, applied: Ran) -> VirtualMachine:
    """The machine after a good first apply."""
    assert applied.code == 0, str(applied)
    return machine


def test_plan_predicted_exactly_what_apply_did(planned: Ran, applied: Ran) -> None:
    assert planned.code == 1, str(planned)
    assert applied.code == 0, str(applied)
    assert changes(planned) == changes(applied)


def test_second_apply_changes_nothing(converged: VirtualMachine) -> None:
    again = converged.firstlight("apply", "--yes", "-o", "json")
    assert (again.code, changes(again)) == (0, []), str(again)


def test_check_finds_nothing(converged: VirtualMachine) -> None:
    assert troubles(converged, "--level", "standard") == {}


def assert_values_hold(machine: VirtualMachine) -> None:
    """Look at the machine by other means than ours."""
    sysctl = MACHINE["kernel"]["sysctl"]
    for key, value in sysctl["values"].items():
        assert machine.must(["sysctl", "-n", key]).strip() == str(value)
    assert int(machine.must(["sysctl", "-n", "fs.nr_open"])) >= sysctl["floors"]["fs.nr_open"]
    limits = MACHINE["system"]["limits"]
    assert machine.sh("ulimit -Hn; ulimit -Sn; ulimit -Hl").split() == [str(limits["nofile"])] * 2 + ["unlimited"]
    service = machine.must(["systemd-run", "-q", "--wait", "--pipe", "prlimit", "-n", "-o", "HARD", "--noheadings"])
    assert service.strip() == str(limits["nofile"])
    machine.sh("swapon --show=NAME --noheadings | grep -qx /swap.img")
    mounted = json.loads(machine.must(["findmnt", "--json", "-o", "SOURCE,FSTYPE,OPTIONS", DATA["mount"]]))
    there = mounted["filesystems"][0]
    assert there["fstype"] == "xfs"
    assert {"noatime", "logbsize=256k"} <= set(there["options"].split(","))
    assert machine.must(["lsblk", "-dno", "SERIAL", there["source"]]).strip() == DATA_SERIAL
    line = next(line for line in machine.read("/etc/fstab").splitlines() if DATA["mount"] in line.split())
    assert line.startswith("UUID=")
    assert "nofail" in line.split()[3]
    info = json.loads(machine.must(["docker", "info", "--format", "{{json .}}"]))
    assert "nvidia" in info["Runtimes"]
    assert info["LiveRestoreEnabled"] is True


def test_values_are_in_force(converged: VirtualMachine) -> None:
    assert_values_hold(converged)


def test_the_slice_limits_a_job(converged: VirtualMachine) -> None:
    script = "cd /sys/fs/cgroup/ai.slice; cat cpu.weight memory.high memory.max"
    seen = converged.must(["systemd-run", "-q", "--wait", "--pipe", "--slice=ai.slice", "sh", "-ec", script]).split()
    total = int(converged.sh("sed -n 's/^MemTotal: *\\([0-9]*\\).*/\\1/p' /proc/meminfo")) * 1024
    part = MACHINE["system"]["slice"]
    assert seen[0] == str(part["cpu_weight"])
    for value, percent in zip(seen[1:], (part["memory_high_percent"], part["memory_max_percent"]), strict=True):
        assert abs(int(value) - total * percent / 100) <= 1 << 20


def test_drifts_are_found_one_by_one_and_repaired_together(converged: VirtualMachine) -> None:
    expected: dict[str, str] = {}
    blinded: Drift | None = None
    for drift in DISK_MACHINE:
        converged.sh(drift.script)
        expected[drift.check] = "fail"
        found = troubles(converged)
        if drift.blinds:
            blinded = drift
        assert without_the_blinded(found, blinded or drift) == expected, f"after: {drift.name}"
    for drift in DISK_MACHINE:
        if drift.by_hand:
            converged.sh(drift.by_hand)
    fixed = converged.firstlight("fix", *(drift.check for drift in DISK_MACHINE if not drift.by_hand), "--yes",
                                 "-o", "json")
    assert fixed.code == 0, str(fixed)
    assert troubles(converged) == {}


def test_everything_holds_after_a_reboot(converged: VirtualMachine) -> None:
    converged.must(["/opt/firstlight/bin/firstlight", "drift", "--accept", "before the reboot"])
    converged.reboot()
    converged.sh("mount -t tmpfs tmpfs /backup")
    looked = converged.firstlight("drift", "-o", "json")
    assert (looked.code, looked.data["drifts"]) == (0, []), str(looked)
    assert_values_hold(converged)
    planned = converged.firstlight("plan", "-o", "json")
    assert (planned.code, changes(planned)) == (0, []), str(planned)
    assert troubles(converged) == {}
