from __future__ import annotations

import pytest

from agent.machine.kernels import observe_kernels, observe_next_kernel
from tests.fixtures import FakeMachine


@pytest.mark.parametrize("aside", ["old", "bak", "dpkg-bak"])
def test_an_image_kept_aside_is_no_kernel(aside: str) -> None:
    machine = FakeMachine({"/boot/vmlinuz-6.1.0-40-amd64": "", f"/boot/vmlinuz-6.1.0-41-amd64.{aside}": ""})
    assert observe_kernels(machine) == ("6.1.0-40-amd64",)
    assert observe_next_kernel(machine, "6.1.0-39-amd64") == "6.1.0-40-amd64"


def test_a_machine_without_boot_goes_on_with_its_kernel() -> None:
    assert observe_next_kernel(FakeMachine({}), "6.1.0-39-amd64") == "6.1.0-39-amd64"
