"""Power cuts at eleven moments of a first boot: qemu is killed (SIGKILL) and switched on again.

What this simulates: everything the kernel had not yet written to its disks is gone, and what lay in new clusters of
the system disk and was not flushed by it (qemu keeps their table in memory) is gone, too. What it does not: a disk
that loses or reorders what it had already taken into its own cache, because the host's page cache survives.
Measured on 2 cores, one beside the other: the five cuts of "installing" 31 minutes, the six of "settling" 32.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.node.images import shell
from tests.node.readings import changes, troubles
from tests.vm.first_boots import make_image, says, wait_for, wait_until_done
from tests.vm.machines import VirtualMachine, fresh_machine
from tests.vm.test_vm import assert_values_hold

pytestmark = [pytest.mark.vm, pytest.mark.timeout(21600)]
SUITES = tuple(os.environ.get("FIRSTLIGHT_VM_SUITES", "bookworm").split())
GOES_ON = r"going on with the first boot of [^:]*:\d+:\d+: next is (\w+) \(start (\d+)\)"
KEEP = "/srv/not-ours/keep"
ON_DATA = """
mountpoint -q /data || exit 7
head -c 4M /dev/urandom >/data/{name} && sync /data/{name} && sha256sum /data/{name} >>/srv/not-ours/sums
sync /srv/not-ours/sums
"""
NO_LOGIN = 255  # of ssh
DAMAGE = re.compile(r"EXT4-fs error|XFS .*(?:[Cc]orrupt|metadata I/O error)|I/O error, dev")


def data_disk_is_written(machine: VirtualMachine, told: str) -> bool:
    """Return whether the first byte of mkfs has reached the data disk."""
    return (machine.folder / "data.raw").stat().st_blocks > 0


@dataclass(frozen=True)
class Moment:
    """When to cut: `later_s` after `seen`; `next_stage`: what the next start must say that it goes on with."""

    name: str
    seen: Callable[[VirtualMachine, str], bool]
    next_stage: tuple[str, ...]
    later_s: float = 0.0


MOMENTS = (
    (
        Moment("plan under way", says(r"looking: \[1/"), ("plan",)),
        Moment("first second of the apply", says(r"making the machine what its profile says"), ("apply",), 1),
        Moment("dpkg unpacks a package", says(r"status: \S+: half-installed"), ("apply",)),
        Moment("mkfs writes to the data disk", data_disk_is_written, ("apply",)),
        Moment("going down for the reboot", says(r"rebooting; the rest .*Stopp"), ("reboot",), 1),
    ),
    (
        Moment("dpkg configures a package", says(r"status: \S+: half-configured"), ("apply",)),
        Moment("swap has just been switched on", says(r"Adding \d+k swap on /swap.img"), ("apply",)),
        Moment("Docker restarts with its settings", says(r"applying: \[.*docker has to stop"), ("apply",)),
        Moment("kernel of the boot after the reboot", says(r"rebooting; the rest .*Linux version .*Run /init"),
               ("reboot",), 1),
        Moment("checks", says(r"checking the machine"), ("check",), 10),
        Moment("smoke jobs, scorecard", says(r"running the smoke jobs"), ("smoke", "scorecard"), 1),
    ),
)


def cut(machine: VirtualMachine, moment: Moment, since: int, began: float) -> str:
    """Wait for the moment, cut the power, switch on, wait until the first boot goes on; return a line that says so."""
    wait_for(machine, moment.seen, since, 7200, poll_s=0.05)
    time.sleep(moment.later_s)
    machine.stop()
    at_s, off = time.monotonic() - began, len(machine.console())
    last = machine.console()[since:].rstrip().rpartition("\n")[2].strip()
    machine.power_on()
    wait_for(machine, says(GOES_ON), off, 1800, poll_s=1)
    found = re.search(GOES_ON, machine.console()[off:])
    assert found is not None
    assert found[1] in moment.next_stage, f"{moment.name}: {found[0]}"
    return f"{at_s:7.0f} s  {moment.name:38}  last: {last[-70:]:70}  then: {found[1]}, start {found[2]}"


def assert_sound(machine: VirtualMachine) -> None:
    """Look at the three disks from outside: each filesystem is consistent."""
    system = machine.folder / "system.raw"
    image = subprocess.run(["qemu-img", "check", machine.folder / "system.qcow2"], capture_output=True, check=False)
    assert image.returncode in (0, 3), image.stdout  # 3: clusters that belong to nobody, the mark of a killed qemu
    shell(["qemu-img", "convert", "-O", "raw", machine.folder / "system.qcow2", system])
    shell(["e2fsck", "-fn", system])
    system.unlink()
    shell(["xfs_repair", "-n", "-f", machine.folder / "data.raw"])
    shell(["e2fsck", "-fn", machine.folder / "foreign.raw"])


def keep_on_data(machine: VirtualMachine, name: str) -> bool:
    """Write a file to the data disk as its owner would, as soon as somebody can log in; return whether it is there."""
    deadline = time.monotonic() + 900
    while True:
        ran = machine.run(["sh", "-ec", ON_DATA.format(name=name)])
        if ran.code != NO_LOGIN:
            assert ran.code in (0, 7), str(ran)
            return ran.code == 0
        assert time.monotonic() < deadline, str(ran)
        time.sleep(2)


@pytest.mark.parametrize("moments", MOMENTS, ids=("installing", "settling"))
@pytest.mark.parametrize("suite", SUITES)
def test_every_power_cut_ends_in_a_ready_machine(suite: str, moments: tuple[Moment, ...], tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: debootstrap (sudo make test-vm)")
    with fresh_machine(suite, tmp_path) as machine:
        foreign = machine.foreign_digest()
        machine.write(KEEP, "precious\n")
        make_image(machine)
        began, since = time.monotonic(), len(machine.console())
        machine.power_on()
        kept = []
        for number, moment in enumerate(moments):
            line = cut(machine, moment, since, began)
            print(line, flush=True)
            assert machine.foreign_digest() == foreign, line
            kept += [moment.name] if keep_on_data(machine, f"keep.{number}") else []
            since = machine.console().rindex("Linux version")
        wait_until_done(machine, since)
        print(f"{time.monotonic() - began:7.0f} s  ended by itself", flush=True)
        assert "not what its profile says" not in machine.console()[since:]
        assert_ready(machine)
        print(f"files written to the data disk after: {kept}", flush=True)
        assert kept
        machine.must(["sha256sum", "--check", "--quiet", "/srv/not-ours/sums"])
        machine.power_off()
        assert machine.foreign_digest() == foreign
        assert not DAMAGE.search(machine.console())
        assert_sound(machine)


def assert_ready(machine: VirtualMachine) -> None:
    """The machine is what its profile says, whatever happened on the way."""
    assert machine.must(["dpkg", "--audit"]) == ""
    assert machine.read(KEEP) == "precious\n"
    assert_values_hold(machine)
    planned = machine.firstlight("plan", "-o", "json")
    assert (planned.code, changes(planned)) == (0, []), str(planned)
    assert troubles(machine, "--level", "standard") == {}
