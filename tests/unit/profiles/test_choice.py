from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from agent.config import profiles
from agent.model.errors import ProfileError
from tests.unit.profiles.machines import BARE, GB10, H100, RTX4090, SPARK, UNNAMED, with_gpus

if TYPE_CHECKING:
    from pathlib import Path

    from agent.model.hardware import Hardware


@pytest.mark.parametrize(("hardware", "name"), [
    (BARE, "cpu-only"),
    (replace(BARE, architecture="aarch64"), "cpu-only"),
    (with_gpus(RTX4090), "rtx-workstation"),
    (with_gpus(*[RTX4090] * 4), "rtx-workstation"),
    (with_gpus(*[H100] * 8), "datacenter"),
    (SPARK, "dgx-spark"),
    (replace(SPARK, gpus=(replace(GB10, name="Device 2e12"),)), "dgx-spark"),
])
def test_each_machine_gets_its_profile(hardware: Hardware, name: str) -> None:
    assert profiles.choose(hardware).loaded.profile.name == name


@pytest.mark.parametrize("hardware", [
    with_gpus(UNNAMED), with_gpus(RTX4090, H100), with_gpus(*[RTX4090] * 5), with_gpus(GB10),
    replace(SPARK, vendor_os=""), replace(with_gpus(H100), vendor_os="dgx-os"),
])
def test_a_machine_no_profile_was_made_for_is_refused_with_every_reason(hardware: Hardware) -> None:
    with pytest.raises(ProfileError) as caught:
        profiles.choose(hardware)
    for name in ("cpu-only", "rtx-workstation", "datacenter", "dgx-spark"):
        assert f"  {name}: " in caught.value.message
    assert "--profile" in caught.value.hint


def test_the_choice_says_why_and_why_not_the_others() -> None:
    choice = profiles.choose(with_gpus(RTX4090))
    assert choice.reason == ("1 NVIDIA GPU, GPU AD102 [GeForce RTX 4090] [10de:2684] is one of its cards, x86_64, "
                             "a plain distribution")
    against = {fit.name: fit.obstacles for fit in choice.fits if not fit.fits}
    assert against["cpu-only"] == ("1 NVIDIA GPU, where none is wanted",)
    assert "x86_64, where aarch64 is wanted" in against["dgx-spark"]


def test_the_site_file_is_laid_over_the_profile_that_fits(site: Path) -> None:
    (site / "profile.yml").write_text("kernel: {sysctl: {values: {vm.swappiness: 5}}}\n")
    choice = profiles.choose(BARE)
    sysctl = choice.loaded.profile.kernel.sysctl
    assert (choice.loaded.profile.name, sysctl.values, sysctl.floors) == (
        "cpu-only", {"vm.swappiness": 5}, {"fs.nr_open": 2_000_000})
    assert f"{site / 'profile.yml'} is laid over it" in choice.reason


def test_the_site_file_may_choose_the_profile_itself(site: Path) -> None:
    (site / "profile.yml").write_text("extends: datacenter\n")
    assert profiles.choose(with_gpus(UNNAMED)).loaded.profile.name == "datacenter"


def test_a_named_profile_is_taken_without_the_site_file(site: Path) -> None:
    (site / "profile.yml").write_text("kernel: {sysctl: {values: {vm.swappiness: 5}}}\n")
    choice = profiles.choose(BARE, "cpu-only")
    assert choice.loaded.profile.kernel.sysctl.values == {"vm.swappiness": 10}
    assert "is not used" in choice.reason


def test_the_site_file_says_nothing_about_a_recorded_machine(site: Path) -> None:
    (site / "profile.yml").write_text("extends: datacenter\n")
    assert profiles.choose(BARE, use_site=False).loaded.profile.name == "cpu-only"


def test_a_site_may_have_profiles_of_its_own_by_name(site: Path) -> None:
    (site / "profiles").mkdir()
    (site / "profiles" / "lab.yml").write_text("name: lab\nextends: datacenter\nmatch: {priority: 99}\n")
    assert profiles.choose(BARE).loaded.profile.name == "lab"
