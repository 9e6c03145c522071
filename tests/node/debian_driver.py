"""Debian's own NVIDIA driver on a disposable machine: what is asked for, and how to see that it is there."""

from __future__ import annotations

from dataclasses import dataclass

import yaml

from tests.node.disposable import Disposable, Ran
from tests.node.profiles import SITE_PROFILE
from tests.node.readings import changes

ONLY = ("--only", "driver", "-o", "json")
BRANCHES = {"12": "535", "13": "550"}
PLAN_TIMEOUT_S, APPLY_TIMEOUT_S = 3600, 4 * 3600
# What udev asks modprobe for when it meets an RTX 3090.
CARD_ALIAS = "pci:v000010DEd00002204sv000010DEsd00001454bc03sc00i00"


@dataclass(frozen=True)
class Story:
    """What happened on one machine, in order. `kernel`: the release that the module is for; initial disks as stamps."""

    machine: Disposable
    kernel: str
    branch: str
    planned: Ran
    applied: Ran
    initrd_before: str
    initrd_after: str
    again: Ran
    initrd_at_end: str


def give_kernel(node: Disposable, *more: str) -> str:
    """Install a kernel that has nouveau, with `more` packages; return its release."""
    node.sh("apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "
            f"linux-image-amd64 {' '.join(more)} >/dev/null", timeout_s=1800)
    kernel = node.sh("ls /boot | sed -n 's/^vmlinuz-//p'").strip()
    assert "/nouveau.ko" in modules_for_a_card(node, kernel)
    return kernel


def install_driver(machine: Disposable, kernel: str) -> Story:
    """Ask the product for the driver that this Debian has: plan, apply, and apply once more."""
    branch = BRANCHES[machine.sh(". /etc/os-release; echo $VERSION_ID").strip()]
    machine.write(SITE_PROFILE, yaml.safe_dump({
        "schema": 1, "name": "node", "extends": "cpu-only",
        "gpu": {"driver": {"enabled": True, "branch": branch, "source": "distribution"}}}))
    stamp = f"stat -c %y.%s /boot/initrd.img-{kernel}"
    before = machine.sh(stamp)
    planned = machine.firstlight("plan", *ONLY, timeout_s=PLAN_TIMEOUT_S)
    applied = machine.firstlight("apply", "--yes", *ONLY, timeout_s=APPLY_TIMEOUT_S)
    assert applied.code == 0, str(applied)
    after = machine.sh(stamp)
    again = machine.firstlight("apply", "--yes", *ONLY, timeout_s=PLAN_TIMEOUT_S)
    return Story(machine, kernel, branch, planned, applied, before, after, again, machine.sh(stamp))


def assert_installed_as_predicted(story: Story) -> None:
    """The plan told every change, the apply made it, the second apply had nothing to do."""
    assert story.planned.code == 1, str(story.planned)
    assert changes(story.planned) == changes(story.applied)
    targets = {target for _, _, target in changes(story.applied)}
    assert {f"linux-headers-{story.kernel}", "nvidia-kernel-dkms", f"module for kernel {story.kernel}",
            f"/boot/initrd.img-{story.kernel}"} <= targets
    assert story.initrd_after != story.initrd_before, "the initial disk was not rebuilt"
    assert (story.again.code, changes(story.again)) == (0, []), str(story.again)
    assert story.initrd_at_end == story.initrd_after, "the second apply rebuilt the initial disk"


def assert_module_built(story: Story) -> None:
    """DKMS says so, and each module file is there, of the branch, for this kernel, and signed."""
    assert f"{story.kernel}, x86_64: installed" in story.machine.must(["dkms", "status"])
    for name in ("nvidia-current", "nvidia-current-modeset", "nvidia-current-drm", "nvidia-current-uvm"):
        told = story.machine.must(["modinfo", "-k", story.kernel, name])
        fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in told.splitlines())}
        assert fields["filename"].startswith(f"/lib/modules/{story.kernel}/updates/dkms/"), told
        assert fields["version"].startswith(f"{story.branch}."), told
        assert fields["vermagic"].split()[0] == story.kernel, told
        assert fields["signer"], told


def assert_no_card_is_named_as_the_cause(story: Story) -> None:
    """nvidia-smi only says that it cannot talk to the driver; the checks say why, and that nothing is broken."""
    smi = story.machine.run(["nvidia-smi"])
    assert smi.code == 9, str(smi)
    assert "couldn't communicate with the NVIDIA driver" in smi.out
    checked = story.machine.firstlight("check", "--only", "driver,gpu", "-o", "json", timeout_s=PLAN_TIMEOUT_S)
    assert checked.code == 0, str(checked)
    found = [finding for run in checked.data["runs"] for finding in run["findings"]]
    assert {finding["verdict"] for finding in found} == {"not-applicable"}, str(checked)
    module = next(finding for finding in found if finding["check"] == "driver.module")
    assert module["summary"].startswith("There is no NVIDIA GPU on the PCI bus; driver "), module
    assert f"driver {story.branch}." in module["summary"], module


def modules_for_a_card(machine: Disposable, kernel: str) -> str:
    """Return the module files that would be loaded if udev met a card now, as modprobe tells them."""
    ran = machine.run(["modprobe", "-S", kernel, "--dry-run", "--verbose", "--use-blacklist", CARD_ALIAS])
    return ran.out


def assert_nouveau_blocked(machine: Disposable, kernel: str) -> None:
    """A card would get NVIDIA's module and not nouveau, and the initial disk holds the block too."""
    found = modules_for_a_card(machine, kernel)
    assert "nvidia-current" in found
    assert "nouveau" not in found
    unpacked = f"/srv/initrd-{kernel}"
    blocks = machine.sh(f"unmkinitramfs /boot/initrd.img-{kernel} {unpacked}; "
                        f"grep -rh nouveau {unpacked} --include=*.conf; rm -r {unpacked}", timeout_s=1800)
    assert "blacklist nouveau" in blocks.splitlines()
