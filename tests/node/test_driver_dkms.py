"""Debian's real driver, built by DKMS for a real Debian kernel on a node. Ten minutes and more per suite.

Set FIRSTLIGHT_DKMS=1 to run it: it downloads about 200 MB and compiles for about five minutes of CPU time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import yaml

from tests.node.disposable import Ran
from tests.node.nodes import Node, fresh_node
from tests.node.profiles import SITE_PROFILE
from tests.node.readings import changes

pytestmark = [pytest.mark.node, pytest.mark.timeout(5400)]
ONLY = ("--only", "driver", "-o", "json")
BRANCHES = {"12": "535", "13": "550"}


@dataclass(frozen=True)
class Story:
    """What happened on one node, in order. `kernel`: the release that is installed."""

    node: Node
    kernel: str
    branch: str
    planned: Ran
    applied: Ran
    initrd_after: str
    again: Ran


@pytest.fixture(scope="module")
def story(image: str) -> Iterator[Story]:
    """Give a node a kernel of its own and Debian's driver for it."""
    with fresh_node(image) as node:
        node.sh("apt-get update -qq; apt-get install -qq -y --no-install-recommends linux-image-cloud-amd64 >/dev/null",
                timeout_s=1800)
        kernel = node.sh("ls /boot | sed -n 's/^vmlinuz-//p'").strip()
        branch = BRANCHES[node.sh(". /etc/os-release; echo $VERSION_ID").strip()]
        node.write(SITE_PROFILE, yaml.safe_dump({
            "schema": 1, "name": "node", "extends": "cpu-only",
            "gpu": {"driver": {"enabled": True, "branch": branch, "source": "distribution"}}}))
        planned = node.firstlight("plan", *ONLY)
        applied = node.firstlight("apply", "--yes", *ONLY, timeout_s=4800)
        stamp = f"stat -c %Y.%s /boot/initrd.img-{kernel}"
        initrd_after = node.sh(stamp)
        again = node.firstlight("apply", "--yes", *ONLY)
        assert node.sh(stamp) == initrd_after, "the second apply rebuilt the initial disk"
        yield Story(node, kernel, branch, planned, applied, initrd_after, again)


def test_the_driver_is_installed_as_predicted_and_the_second_apply_is_empty(story: Story) -> None:
    assert story.applied.code == 0, str(story.applied)
    assert changes(story.planned) == changes(story.applied)
    targets = {target for _, _, target in changes(story.applied)}
    assert {f"linux-headers-{story.kernel}", "nvidia-kernel-dkms", f"module for kernel {story.kernel}"} <= targets
    assert (story.again.code, changes(story.again)) == (0, []), str(story.again)


def test_the_module_is_built_for_the_kernel_and_signed(story: Story) -> None:
    assert f"{story.kernel}, x86_64: installed" in story.node.must(["dkms", "status"])
    for name in ("nvidia-current", "nvidia-current-uvm"):
        told = story.node.must(["modinfo", "-k", story.kernel, name])
        assert f"\nversion:        {story.branch}." in f"\n{told}"
        assert "signer:" in told


def test_the_branch_is_pinned_by_apts_own_account(story: Story) -> None:
    policy = story.node.must(["apt-cache", "policy", "nvidia-kernel-dkms"])
    candidate = next(line.split()[1] for line in policy.splitlines() if "Candidate:" in line)
    assert candidate.startswith(f"{story.branch}.")
    assert f"*** {candidate} 990" in " ".join(policy.split())


def test_the_initial_disk_blocks_nouveau(story: Story) -> None:
    script = f"unmkinitramfs /boot/initrd.img-{story.kernel} /srv/initrd; grep -rh nouveau /srv/initrd"
    assert "blacklist nouveau" in story.node.sh(script)


def test_without_a_card_nvidia_smi_says_so(story: Story) -> None:
    ran = story.node.run(["nvidia-smi"])
    assert ran.code == 9, str(ran)
