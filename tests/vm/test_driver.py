"""Debian's real driver on a virtual machine with a kernel of its own, through the boot after it.

Without hardware acceleration the module takes hours to compile in the machine, so the product installs it on a node
first, natively. FIRSTLIGHT_DKMS=1 boots the very disk that came of it; with FIRSTLIGHT_DKMS=machine the product does
everything once more in a fresh machine, where the compiler's answers are those of the node. Measured for Debian 12 on
two cores: 8 minutes on the node, 42 in the machine until the module is installed (most of it NVIDIA's tests of the
kernel, small shell scripts), 60 in all.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from tests.node.debian_driver import (
    ONLY,
    PLAN_TIMEOUT_S,
    Story,
    assert_installed_as_predicted,
    assert_module_built,
    assert_no_card_is_named_as_the_cause,
    assert_nouveau_blocked,
    give_kernel,
    install_driver,
    modules_for_a_card,
)
from tests.node.images import shell
from tests.node.nodes import Node, fresh_node, kept_host_values, product_image, running_engine
from tests.node.readings import changes
from tests.vm.cards import qemu_with_card
from tests.vm.compiled import answered, keep_compiled, load_compiled, save_compiled
from tests.vm.images import DESKTOP_KERNEL, fill_disk, machine_folder, make_bootable
from tests.vm.machines import VirtualMachine, fresh_machine

pytestmark = [pytest.mark.vm, pytest.mark.timeout(6 * 3600)]
MANY = 100  # files of the driver's four modules
SUITES = tuple(os.environ.get("FIRSTLIGHT_VM_SUITES", "bookworm").split())


def disk_of(node: Node, suite: str, folder: Path) -> Path:
    """Return a folder with the disk, kernel and initial disk of a machine that holds what the node holds."""
    base = folder / "base"
    (base / "root").mkdir(parents=True)
    with subprocess.Popen(["docker", "export", node.name], stdout=subprocess.PIPE) as archive:
        shell(["tar", "-C", base / "root", "-x"], stdin=archive.stdout)
    (base / "root/.dockerenv").unlink()
    make_bootable(suite, base / "root")
    fill_disk(base / "root", base)
    return base


def compile_on_node(suite: str, folder: Path) -> Path:
    """Let the product install the driver on a node; return a file with what the compiler made there."""
    compiled = folder / "compiled.tar"
    with running_engine(), kept_host_values(), product_image(suite, folder) as image, fresh_node(image) as node:
        keep_compiled(node)
        told = install_driver(node, give_kernel(node))
        assert_installed_as_predicted(told)
        assert_module_built(told)
        save_compiled(node, compiled)
    return compiled


@pytest.fixture(scope="module", params=SUITES)
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """A machine that has booted after the product gave it the driver."""
    if os.geteuid() != 0:
        pytest.skip("needs root: debootstrap (sudo make test-vm)")
    suite, folder = str(request.param), tmp_path_factory.mktemp("driver")
    if os.environ["FIRSTLIGHT_DKMS"] == "machine":
        compiled = compile_on_node(suite, folder)
        with fresh_machine(suite, folder, machine_folder(suite, DESKTOP_KERNEL)) as machine:
            load_compiled(machine, compiled)
            machine.write("/etc/initramfs-tools/conf.d/bed", "MODULES=dep\n")
            kernel = machine.read("/proc/sys/kernel/osrelease").strip()
            assert "/nouveau.ko" in modules_for_a_card(machine, kernel)
            told = install_driver(machine, kernel)
            assert answered(machine) > MANY
            machine.restart_from_own_disk(1200)
            yield told
        return
    with running_engine(), kept_host_values(), product_image(suite, folder) as image, fresh_node(image) as node:
        told = install_driver(node, give_kernel(node, "openssh-server"))
        assert_installed_as_predicted(told)
        base = disk_of(node, suite, folder)
    machine = VirtualMachine(suite, folder, base)
    try:
        machine.start(1200)
        yield replace(told, machine=machine)
    finally:
        machine.stop()


def test_the_driver_was_installed_as_predicted_and_the_second_apply_was_empty(story: Story) -> None:
    assert_installed_as_predicted(story)


def test_the_module_is_built_for_the_running_kernel_and_signed(story: Story) -> None:
    assert story.machine.read("/proc/sys/kernel/osrelease").strip() == story.kernel
    assert_module_built(story)


def test_after_the_boot_nouveau_is_blocked_and_not_loaded(story: Story) -> None:
    assert story.machine.run(["test", "-e", "/sys/module/nouveau"]).code == 1
    assert_nouveau_blocked(story.machine, story.kernel)


def test_the_kernel_takes_the_module_and_finds_no_card(story: Story) -> None:
    ran = story.machine.run(["modprobe", "nvidia-current"])
    assert ran.code == 1, str(ran)
    assert "No such device" in ran.err
    assert "NVRM: No NVIDIA GPU found" in story.machine.must(["dmesg"])


def test_without_a_card_the_cause_is_the_missing_card_and_nothing_is_broken(story: Story) -> None:
    assert_no_card_is_named_as_the_cause(story)


def test_after_the_boot_nothing_is_left_to_change(story: Story) -> None:
    planned = story.machine.firstlight("plan", *ONLY, timeout_s=PLAN_TIMEOUT_S)
    assert (planned.code, changes(planned)) == (0, []), str(planned)
    again = story.machine.firstlight("apply", "--yes", *ONLY, timeout_s=PLAN_TIMEOUT_S)
    assert (again.code, changes(again)) == (0, []), str(again)


@pytest.fixture(scope="module")
def dressed(story: Story, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """The machine after one more boot, with what looks like a card on its PCI bus."""
    machine = cast(VirtualMachine, story.machine)
    machine.program = qemu_with_card(tmp_path_factory.mktemp("qemu"))
    machine.restart_from_own_disk(1800)
    return story


def test_a_card_is_given_to_the_driver_and_nouveau_stays_away(dressed: Story) -> None:
    assert "0x10de" in dressed.machine.sh("cat /sys/bus/pci/devices/*/vendor")
    told = dressed.machine.must(["dmesg"])
    assert "NVRM: " in told
    assert "nouveau" not in told
    assert dressed.machine.run(["test", "-e", "/sys/module/nouveau"]).code == 1


def test_with_a_card_on_the_bus_the_checks_judge_what_dkms_made(dressed: Story) -> None:
    checked = dressed.machine.firstlight("check", "--only", "driver", "-o", "json", timeout_s=PLAN_TIMEOUT_S)
    found = {finding["check"]: (finding["verdict"], finding["summary"])
             for run in checked.data["runs"] for finding in run["findings"]}
    assert found["driver.dkms"][0] == "pass", str(checked)
    assert f"DKMS has built driver {dressed.branch}." in found["driver.dkms"][1]
    assert dressed.kernel in found["driver.dkms"][1]
    assert found["driver.nouveau"] == ("pass", "nouveau is not loaded.")
    # It only looks like a card: the driver refuses it, and that is the cause that is named.
    assert found["driver.module"][0] == "fail"
    assert "the kernel's last word about it is “NVRM: " in found["driver.module"][1]
