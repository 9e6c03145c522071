"""Which packages a driver is made of, by system, source, branch, flavour and card."""

from __future__ import annotations

from typing import Any

import pytest

from tests import ansible_modules  # noqa: F401 - makes our module_utils importable

from ansible.module_utils import driver_family, driver_seen  # isort: skip
from ansible.module_utils.driver_family import Wish, WishError  # isort: skip

H100, RTX_5090, V100, GB10 = "2331", "2b85", "1db4", "2e12"


def wish(system: str, **values: Any) -> Wish:
    distribution, _, version = system.partition(" ")
    return Wish(distribution, version, **values)


@pytest.mark.parametrize(("system", "values", "source"), [
    ("debian 12", {}, "debian"),
    ("debian 12", {"branch": "535"}, "debian"),
    ("debian 12", {"branch": "580"}, "nvidia"),
    ("debian 13", {"branch": "550"}, "debian"),
    ("debian 13", {"gpus": (RTX_5090,)}, "nvidia"),
    ("debian 12", {"source": "nvidia"}, "nvidia"),
    ("ubuntu 24.04", {"branch": "580"}, "ubuntu"),
    ("ubuntu 24.04", {}, "nvidia"),
])
def test_the_source_follows_from_system_and_branch(system: str, values: dict[str, Any], source: str) -> None:
    assert driver_family.choose_source(wish(system, **values)) == source


def test_ubuntus_archive_is_left_where_it_lacks_the_branch() -> None:
    assert driver_family.choose_source(wish("ubuntu 22.04", branch="595"), offers_ubuntu=False) == "nvidia"


def test_an_installed_driver_is_kept_where_it_came_from() -> None:
    assert driver_family.choose_source(wish("ubuntu 24.04", branch="580"), have="nvidia") == "nvidia"


@pytest.mark.parametrize(("system", "values"), [
    ("debian 12", {"source": "distribution", "branch": "580"}),
    ("debian 13", {"source": "distribution", "gpus": (GB10,)}),
    ("ubuntu 24.04", {"source": "distribution"}),
])
def test_what_a_distribution_does_not_have_is_said(system: str, values: dict[str, Any]) -> None:
    with pytest.raises(WishError, match=r"gpu\.driver\.branch|source: nvidia"):
        driver_family.choose_source(wish(system, **values))


@pytest.mark.parametrize(("gpus", "source", "flavour"), [
    ((), "nvidia", "open"), ((H100,), "nvidia", "open"), ((RTX_5090,), "nvidia", "open"),
    ((V100,), "nvidia", "proprietary"), ((H100,), "debian", "proprietary"), (("",), "nvidia", "open"),
])
def test_the_flavour_follows_from_the_card(gpus: tuple[str, ...], source: str, flavour: str) -> None:
    assert driver_family.choose_flavour(wish("debian 12", gpus=gpus), source) == flavour


def test_a_flavour_that_works_is_kept_and_one_that_cannot_is_not() -> None:
    assert driver_family.choose_flavour(wish("debian 12", gpus=(H100,)), "nvidia", "proprietary") == "proprietary"
    assert driver_family.choose_flavour(wish("debian 12", gpus=(RTX_5090,)), "nvidia", "proprietary") == "open"


@pytest.mark.parametrize(("gpus", "flavour"), [((V100,), "open"), ((RTX_5090,), "proprietary"),
                                               ((V100, RTX_5090), "auto")])
def test_a_card_that_the_flavour_does_not_drive_is_named(gpus: tuple[str, ...], flavour: str) -> None:
    with pytest.raises(WishError, match=f"10de:{gpus[0]}"):
        driver_family.choose_flavour(wish("ubuntu 24.04", gpus=gpus, flavour=flavour), "nvidia")


@pytest.mark.parametrize(("system", "source", "flavour", "values", "pinning", "packages"), [
    ("debian 12", "nvidia", "open", {"branch": "580"}, "nvidia-driver-pinning-580",
     "nvidia-open nvidia-persistenced"),
    ("debian 13", "nvidia", "proprietary", {}, "", "cuda-drivers nvidia-persistenced"),
    ("debian 13", "nvidia", "open", {"branch": "590", "variant": "compute"}, "nvidia-driver-pinning-590",
     "nvidia-driver-cuda nvidia-kernel-open-dkms nvidia-persistenced"),
    ("debian 12", "debian", "proprietary", {"variant": "compute"}, "",
     "libcuda1 nvidia-kernel-dkms nvidia-persistenced nvidia-smi"),
    ("debian 13", "debian", "open", {"persistence": False}, "", "nvidia-driver nvidia-open-kernel-dkms"),
    ("ubuntu 24.04", "nvidia", "open", {"branch": "580"}, "nvidia-driver-pinning-580",
     "nvidia-compute-utils-580 nvidia-open-580"),
    ("ubuntu 24.04", "nvidia", "open", {"branch": "590"}, "nvidia-driver-pinning-590",
     "nvidia-open nvidia-persistenced"),
    ("ubuntu 22.04", "nvidia", "proprietary", {"branch": "570", "variant": "compute"}, "",
     "libnvidia-compute-570 nvidia-compute-utils-570 nvidia-dkms-570 nvidia-utils-570"),
    ("ubuntu 24.04", "ubuntu", "open",
     {"branch": "580", "variant": "compute", "images": ("generic-hwe-24.04",)}, "",
     "linux-modules-nvidia-580-server-open-generic-hwe-24.04 nvidia-compute-utils-580-server "
     "nvidia-headless-no-dkms-580-server-open nvidia-utils-580-server"),
    ("ubuntu 24.04", "ubuntu", "open", {"branch": "595", "persistence": False}, "",
     "nvidia-dkms-595-open nvidia-driver-595-open"),
])
def test_packages_are_named_as_their_source_names_them(
    system: str, source: str, flavour: str, values: dict[str, Any], pinning: str, packages: str
) -> None:
    family = driver_family.family(wish(system, **values), source, flavour)
    assert " ".join(family.packages) == packages
    assert (family.pinning, family.source) == (pinning, source)


def test_only_canonicals_ready_made_modules_need_no_headers() -> None:
    ready = driver_family.family(wish("ubuntu 24.04", branch="580", images=("generic",)), "ubuntu", "open")
    assert not ready.dkms
    assert driver_family.family(wish("ubuntu 24.04", branch="580"), "ubuntu", "open").dkms


@pytest.mark.parametrize(("version", "system", "origin"), [
    ("535.309.01-1~deb12u1", "debian 12", "debian"), ("580.95.05-1", "debian 12", "nvidia"),
    ("550.163.01-2", "debian 13", "debian"), ("580.95.05-0ubuntu0.24.04.2", "ubuntu 24.04", "ubuntu"),
    ("580.95.05-0ubuntu1", "ubuntu 24.04", "nvidia"),
])
def test_a_packages_version_tells_whose_it_is(version: str, system: str, origin: str) -> None:
    assert driver_seen.origin(version, *system.split(" ")) == origin


def test_the_drivers_version_is_without_epoch_and_revision() -> None:
    assert driver_seen.upstream("2:580.95.05-0ubuntu1") == driver_seen.upstream("580.95.05-1") == "580.95.05"
    assert driver_seen.driver_version({"libcuda1": "535.309.01-1~deb12u1", "jq": "1.6-2"}) == "535.309.01"
    assert driver_seen.driver_version({}) == ""


def test_nvswitches_are_bridges_of_nvidia(tmp_path: Any) -> None:
    bus = (("a", "0x10de", "0x068000"), ("b", "0x10de", "0x030200"), ("c", "0x8086", "0x068000"))
    for address, vendor, kind in bus:
        (tmp_path / address).mkdir()
        (tmp_path / address / "vendor").write_text(vendor + "\n")
        (tmp_path / address / "class").write_text(kind + "\n")
    assert driver_seen.nvswitches(str(tmp_path)) == ["a"]
    assert driver_seen.nvswitches(str(tmp_path / "none")) == []
