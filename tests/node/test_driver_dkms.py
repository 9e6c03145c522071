"""Debian's real driver, built by DKMS for a real Debian kernel on a node. Ten minutes and more per suite.

Set FIRSTLIGHT_DKMS=1 to run it: it downloads about 200 MB and compiles for about five minutes of CPU time. Measured on
bookworm: 49 minutes on two cores at a load of 40 to 65, seven minutes of CPU time.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.node.debian_driver import (
    Story,
    assert_installed_as_predicted,
    assert_module_built,
    assert_no_card_is_named_as_the_cause,
    assert_nouveau_blocked,
    give_kernel,
    install_driver,
)
from tests.node.nodes import fresh_node

pytestmark = [pytest.mark.node, pytest.mark.timeout(5400)]


@pytest.fixture(scope="module")
def story(image: str) -> Iterator[Story]:
    """Give a node a kernel of its own, one that has nouveau, and Debian's driver for it."""
    with fresh_node(image) as node:
        yield install_driver(node, give_kernel(node))


def test_the_driver_is_installed_as_predicted_and_the_second_apply_is_empty(story: Story) -> None:
    assert_installed_as_predicted(story)


def test_the_module_is_built_for_the_kernel_and_signed(story: Story) -> None:
    assert_module_built(story)


def test_the_branch_is_pinned_by_apts_own_account(story: Story) -> None:
    policy = story.machine.must(["apt-cache", "policy", "nvidia-kernel-dkms"])
    candidate = next(line.split()[1] for line in policy.splitlines() if "Candidate:" in line)
    assert candidate.startswith(f"{story.branch}.")
    assert f"*** {candidate} 990" in " ".join(policy.split())


def test_nouveau_is_blocked_on_disk_and_in_the_initial_disk(story: Story) -> None:
    assert_nouveau_blocked(story.machine, story.kernel)


def test_without_a_card_the_cause_is_the_missing_card_and_nothing_is_broken(story: Story) -> None:
    assert_no_card_is_named_as_the_cause(story)
