"""Debian's real driver on a virtual machine with a kernel of its own, through the reboot after it.

Set FIRSTLIGHT_DKMS=1 to run it: the module is compiled under software emulation, which takes an hour and more.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import cast

import pytest

from tests.node.debian_driver import (
    ONLY,
    Story,
    assert_installed_as_predicted,
    assert_module_built,
    assert_no_card_is_named_as_the_cause,
    assert_nouveau_blocked,
    install_driver,
    modules_for_a_card,
)
from tests.node.readings import changes
from tests.vm.images import DESKTOP_KERNEL
from tests.vm.machines import VirtualMachine, fresh_machine

pytestmark = [pytest.mark.vm, pytest.mark.timeout(5 * 3600)]
SUITES = tuple(os.environ.get("FIRSTLIGHT_VM_SUITES", "bookworm").split())


@pytest.fixture(scope="module", params=SUITES)
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """A booted machine, where nouveau would take a card, and Debian's driver for its kernel."""
    if os.geteuid() != 0:
        pytest.skip("needs root: debootstrap (sudo make test-vm)")
    with fresh_machine(request.param, tmp_path_factory.mktemp("driver"), DESKTOP_KERNEL) as machine:
        kernel = machine.read("/proc/sys/kernel/osrelease").strip()
        assert "/nouveau.ko" in modules_for_a_card(machine, kernel)
        yield install_driver(machine, kernel)


@pytest.fixture(scope="module")
def rebooted(story: Story) -> Story:
    """The machine after the reboot, with the initial disk that the apply made."""
    assert story.applied.code == 0, str(story.applied)
    cast(VirtualMachine, story.machine).restart_from_own_disk()
    return story


def test_the_driver_is_installed_as_predicted_and_the_second_apply_is_empty(story: Story) -> None:
    assert_installed_as_predicted(story)


def test_the_module_is_built_for_the_running_kernel_and_signed(story: Story) -> None:
    assert_module_built(story)


def test_after_the_reboot_nouveau_is_blocked_and_not_loaded(rebooted: Story) -> None:
    machine = rebooted.machine
    assert machine.read("/proc/sys/kernel/osrelease").strip() == rebooted.kernel
    assert machine.run(["test", "-e", "/sys/module/nouveau"]).code == 1
    assert_nouveau_blocked(machine, rebooted.kernel)


def test_the_module_is_the_kernels_and_finds_no_card(rebooted: Story) -> None:
    ran = rebooted.machine.run(["modprobe", "nvidia-current"])
    assert ran.code == 1, str(ran)
    assert "No such device" in ran.err
    assert "NVRM: No NVIDIA GPU found" in rebooted.machine.must(["dmesg"])


def test_without_a_card_the_cause_is_the_missing_card_and_nothing_is_broken(rebooted: Story) -> None:
    assert_no_card_is_named_as_the_cause(rebooted)


def test_after_the_reboot_nothing_is_left_to_change(rebooted: Story) -> None:
    planned = rebooted.machine.firstlight("plan", *ONLY)
    assert (planned.code, changes(planned)) == (0, []), str(planned)
    again = rebooted.machine.firstlight("apply", "--yes", *ONLY)
    assert (again.code, changes(again)) == (0, []), str(again)
