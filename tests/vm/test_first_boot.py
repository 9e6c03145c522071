"""A first boot from power on to the scorecard with nobody there: applied, rebooted, resumed, checked."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import yaml

from tests.node.profiles import MACHINE, SITE_PROFILE
from tests.node.readings import changes, troubles
from tests.vm.first_boots import MISSING, UNIT, make_image, wait_until_done
from tests.vm.machines import FOREIGN_SERIAL, VirtualMachine, fresh_machine
from tests.vm.test_vm import assert_values_hold

pytestmark = [pytest.mark.vm, pytest.mark.timeout(10800)]
SUITES = tuple(os.environ.get("FIRSTLIGHT_VM_SUITES", "bookworm").split())


@pytest.fixture(scope="module", params=SUITES)
def done(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualMachine]:
    """A machine that was switched on and left alone until its first boot had ended."""
    if os.geteuid() != 0:
        pytest.skip("needs root: debootstrap (sudo make test-vm)")
    with fresh_machine(request.param, tmp_path_factory.mktemp("first-boot")) as machine:
        machine.foreign = machine.foreign_digest()  # type: ignore[attr-defined]
        make_image(machine)
        since = len(machine.console())
        machine.power_on()
        wait_until_done(machine, since)
        machine.told = machine.console()[since:]  # type: ignore[attr-defined]
        yield machine


def test_it_rebooted_once_and_went_on_by_itself(done: VirtualMachine) -> None:
    told: str = done.told  # type: ignore[attr-defined]
    assert told.count("Linux version") == 2
    assert told.count("the rest is done by itself after the boot") == 1
    assert told.count("going on with the first boot") == 2
    assert "the machine has been rebooted" in told


def test_what_was_missing_is_installed_and_nothing_half_done(done: VirtualMachine) -> None:
    states = done.must(["dpkg-query", "-W", "-f", "${db:Status-Abbrev}\\n", *MISSING]).split()
    assert states == ["ii"] * len(MISSING)
    assert done.must(["dpkg", "--audit"]) == ""


def test_the_values_are_in_force(done: VirtualMachine) -> None:
    assert_values_hold(done)


def test_nothing_is_left_to_change_and_check_finds_nothing(done: VirtualMachine) -> None:
    planned = done.firstlight("plan", "-o", "json")
    assert (planned.code, changes(planned)) == (0, []), str(planned)
    assert troubles(done, "--level", "standard") == {}


def test_the_scorecard_stands_in_the_history_and_on_the_console(done: VirtualMachine) -> None:
    kinds = [entry["kind"] for entry in done.firstlight("report", "list", "-o", "json").data]
    assert {"up", "apply", "check"} <= set(kinds)
    assert "running the smoke jobs" in done.told  # type: ignore[attr-defined]
    assert "level standard" in done.told  # type: ignore[attr-defined]
    assert "not what its profile says" not in done.told  # type: ignore[attr-defined]


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
    assert len(done.firstlight("report", "list", "-o", "json").data) == before
    assert_values_hold(done)
    planned = done.firstlight("plan", "-o", "json")
    assert (planned.code, changes(planned)) == (0, []), str(planned)


def test_a_disk_with_data_is_refused_even_when_the_profile_names_it(done: VirtualMachine) -> None:
    profile: dict[str, Any] = deepcopy(MACHINE)
    disks = profile["storage"]["data_disks"]["disks"]
    disks.append({"serial": FOREIGN_SERIAL, "label": "more", "mount": "/more"})
    done.write(SITE_PROFILE, yaml.safe_dump(profile, sort_keys=False))
    ran = done.firstlight("apply", "--only", "data_disks", "--yes", "-o", "json")
    assert ran.code == 1, str(ran)
    assert [FOREIGN_SERIAL in refusal["reason"] and "ext4" in refusal["reason"]
            for refusal in ran.data["refusals"]] == [True], str(ran)
    done.write(SITE_PROFILE, yaml.safe_dump(MACHINE, sort_keys=False))
    done.power_off()
    assert done.foreign_digest() == done.foreign  # type: ignore[attr-defined]
