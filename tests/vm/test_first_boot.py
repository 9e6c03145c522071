"""A first boot from beginning to end with nobody there: applied, rebooted, resumed, checked; and under power cuts."""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.node.profiles import MACHINE, prepare
from tests.node.readings import changes
from tests.vm.machines import VirtualMachine, fresh_machine
from tests.vm.test_vm import assert_values_hold

pytestmark = [pytest.mark.vm, pytest.mark.timeout(3600)]
SUITES = tuple(os.environ.get("FIRSTLIGHT_VM_SUITES", "bookworm").split())
CUTS = int(os.environ.get("FIRSTLIGHT_POWER_CUTS", "10"))
MESSAGE, STATE, UNIT = "/etc/motd.d/60-firstlight", "/var/lib/firstlight/up.json", "firstlight-firstboot.service"
DONE = f"test -e {MESSAGE} -a ! -e {STATE} -a ! -e /etc/systemd/system/{UNIT}"


def wait_until_done(machine: VirtualMachine, timeout_s: float = 2400) -> None:
    """Wait until the first boot has ended, through its reboots."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            if machine.run(["sh", "-c", DONE], timeout_s=60).code == 0:
                return
        except subprocess.TimeoutExpired:
            pass
        if time.monotonic() > deadline:
            console = (machine.folder / "console.log").read_text(errors="replace")[-6000:]
            raise AssertionError(f"the first boot did not end in {timeout_s} s:\n{console}")
        time.sleep(3)


def prepared(machine: VirtualMachine) -> None:
    """Leave a machine as an image would: profile, product, and the first boot prepared."""
    prepare(machine, MACHINE)
    machine.sh("mkdir -p /backup; echo 'tmpfs /backup tmpfs defaults 0 0' >>/etc/fstab; mount /backup")
    ran = machine.firstlight("up", "--at-boot", "--allow-reboot")
    assert ran.code == 0, str(ran)


@pytest.fixture(scope="module", params=SUITES)
def done(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualMachine]:
    """A machine after its unattended first boot, which a package had asked to reboot."""
    if os.geteuid() != 0:
        pytest.skip("needs root: debootstrap (sudo make test-vm)")
    with fresh_machine(request.param, tmp_path_factory.mktemp("first-boot")) as machine:
        prepared(machine)
        machine.sh(f"touch /run/reboot-required; systemctl start --no-block {UNIT}")
        machine.first_boot_id = machine.read("/proc/sys/kernel/random/boot_id").strip()  # type: ignore[attr-defined]
        wait_until_done(machine)
        yield machine


def test_it_rebooted_once_and_went_on_by_itself(done: VirtualMachine) -> None:
    assert done.read("/proc/sys/kernel/random/boot_id").strip() != done.first_boot_id  # type: ignore[attr-defined]
    told = (done.folder / "console.log").read_text(errors="replace")
    assert told.count("the rest is done by itself after the boot") == 1
    assert "going on with the first boot" in told
    assert "the machine has been rebooted" in told


def test_the_values_are_in_force(done: VirtualMachine) -> None:
    assert_values_hold(done)


def test_nothing_is_left_to_change(done: VirtualMachine) -> None:
    planned = done.firstlight("plan", "-o", "json")
    assert (planned.code, changes(planned)) == (0, []), str(planned)


def test_the_scorecard_stands_in_the_history_and_on_the_console(done: VirtualMachine) -> None:
    kinds = [entry["kind"] for entry in done.firstlight("report", "list", "-o", "json").data]
    assert "up" in kinds
    assert "check" in kinds
    assert "level standard" in (done.folder / "console.log").read_text(errors="replace")


def test_a_login_shows_the_scorecard_until_it_is_acknowledged(done: VirtualMachine) -> None:
    entrance = done.entrance([])
    login = [*entrance[:1], "-tt", *entrance[1:-1]]

    def shown() -> str:
        return subprocess.run(login, input="exit\n", capture_output=True, text=True, timeout=120, check=False).stdout

    assert "Firstlight" in shown()
    assert done.firstlight("up", "--acknowledge").code == 0
    assert "Firstlight" not in shown()
    done.sh("test ! -e /etc/motd.d")


def test_nothing_of_the_unit_is_left_and_a_second_reboot_changes_nothing(done: VirtualMachine) -> None:
    assert done.sh("find /etc/systemd -name '*firstboot*'") == ""
    before = len(done.firstlight("report", "list", "-o", "json").data)
    done.reboot()
    assert done.run(["systemctl", "cat", UNIT]).code != 0
    planned = done.firstlight("plan", "-o", "json")
    assert (planned.code, changes(planned)) == (0, []), str(planned)
    assert len(done.firstlight("report", "list", "-o", "json").data) == before


@pytest.mark.parametrize("suite", SUITES)
def test_power_cuts_at_any_moment_end_in_a_ready_machine(suite: str, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: debootstrap (sudo make test-vm)")
    chance = random.Random(20261121)
    with fresh_machine(suite, tmp_path) as machine:
        prepared(machine)
        machine.write("/data-not-ours/keep", "precious\n")
        machine.sh(f"sync; systemctl start --no-block {UNIT}")
        for _ in range(CUTS):
            time.sleep(chance.uniform(2, 60))
            machine.stop()
            machine.power_on()
            machine.wait_until_up(600)
        wait_until_done(machine)
        assert machine.must(["dpkg", "--audit"]) == ""
        assert machine.read("/data-not-ours/keep") == "precious\n"
        assert json.loads(machine.must(["findmnt", "--json", "/"]))["filesystems"]
        planned = machine.firstlight("plan", "-o", "json")
        assert (planned.code, changes(planned)) == (0, []), str(planned)
