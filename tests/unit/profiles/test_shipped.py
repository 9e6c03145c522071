"""The shipped profiles say what the requirements ask for."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest

from agent import resources
from agent.config import files, profiles
from agent.config.source import load_source
from agent.config.starter import render_starter
from agent.model.profile import Section
from agent.model.resolved import resolve
from checks.gpu.count import CHECK as COUNT
from tests.checks.findings import only
from tests.checks.gpu.cards import host
from tests.unit.profiles.machines import BARE, GIB, H100, NVME, with_gpus

SCHEMA = Path(__file__).parents[3] / "docs" / "schema" / "profile.json"
NAMES = ("common", "cpu-only", "datacenter", "dgx-spark", "rtx-workstation")


def test_the_published_schema_is_the_one_we_check_by() -> None:
    assert json.loads(SCHEMA.read_text()) == profiles.schema()


@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_profile_is_without_fault_by_us_and_by_the_schema(name: str) -> None:
    assert profiles.load(name).profile.name == name
    jsonschema.validate(load_source(resources.profiles() / f"{name}.yml").data, json.loads(SCHEMA.read_text()))


def sections() -> list[type[Section]]:
    found, waiting = [], [Section]
    while waiting:
        below = waiting.pop().__subclasses__()
        found += below
        waiting += below
    return found


def test_a_default_that_was_made_without_validation_is_what_validation_makes() -> None:
    whole = [section for section in sections()
             if not any(field.is_required() for field in section.model_fields.values())]
    assert len(whole) > 20
    for section in whole:
        made, validated = section.model_construct(), section.model_validate({})
        assert made == validated, section.__name__
        assert section.model_validate(made.model_dump()).model_dump() == validated.model_dump(), section.__name__


def test_nothing_else_is_shipped() -> None:
    assert tuple(sorted(files.named_files())) == NAMES


@pytest.mark.parametrize(("name", "swappiness"), [
    ("rtx-workstation", 1), ("datacenter", 10), ("dgx-spark", 10), ("cpu-only", 10)])
def test_the_values_of_the_requirements(name: str, swappiness: int) -> None:
    profile = profiles.load(name).profile
    assert profile.kernel.sysctl.values["vm.swappiness"] == swappiness
    assert profile.kernel.sysctl.floors["fs.nr_open"] == 2_000_000
    assert profile.system.limits.nofile == 1_000_000 < profile.kernel.sysctl.floors["fs.nr_open"]
    assert profile.system.slice.cpu_weight == 80
    assert "max-size" in profile.container.docker.daemon["log-opts"]


def test_a_64_gb_workstation_gets_the_guides_slice() -> None:
    sizes = resolve(profiles.load("rtx-workstation").profile, 64 * GIB, "").sizes
    assert sizes.slice_memory_high_bytes is not None
    assert sizes.slice_memory_max_bytes is not None
    assert abs(sizes.slice_memory_high_bytes / GIB - 50) < 1
    assert abs(sizes.slice_memory_max_bytes / GIB - 60) < 1


def test_on_a_vendors_system_nothing_of_the_vendor_is_installed() -> None:
    profile = profiles.load("dgx-spark").profile
    assert profile.vendor_managed
    assert not profile.container.toolkit.install
    assert (profile.system.slice.memory_high_percent, profile.system.slice.memory_max_percent) == (None, None)
    assert profile.system.slice.user_memory_min == 2 * GIB


@pytest.mark.parametrize("name", ["datacenter", "dgx-spark", "rtx-workstation"])
@pytest.mark.parametrize("package", [
    "nvidia-driver-580-open", "libnvidia-compute-580", "cuda-toolkit-13-0", "libcudnn9-cuda-13",
    "linux-image-6.8.0-49-generic", "linux-headers-generic", "linux-modules-nvidia-580-open-generic"])
def test_unattended_upgrades_may_not_move_the_driver(name: str, package: str) -> None:
    patterns = profiles.load(name).profile.system.base.upgrade_blacklist
    assert any(re.match(pattern, package) for pattern in patterns)
    assert not any(re.match(pattern, "openssl") for pattern in patterns)


def test_a_starter_changes_nothing_and_its_disk_example_is_valid(tmp_path: Path) -> None:
    from dataclasses import replace

    text = render_starter(replace(BARE, disks=(NVME,)), "cpu-only")
    file = tmp_path / "profile.yml"
    file.write_text(text)
    loaded, parent = profiles.load_merged(file), profiles.load("cpu-only")
    assert loaded.profile.model_dump(exclude={"name", "title", "extends", "match"}) == parent.profile.model_dump(
        exclude={"name", "title", "extends", "match"})
    head, _, disks = text.partition("# storage:")
    file.write_text(head + "\n".join(line[2:] for line in ("# storage:" + disks).splitlines()) + "\n")
    disk = profiles.load_merged(file).profile.storage.data_disks.disks[0]
    assert (disk.serial, disk.size, disk.mount) == (NVME.serial, NVME.size_bytes, "/data")


@pytest.mark.parametrize("count", [1, 8])
def test_a_starter_holds_the_machine_to_the_gpus_it_has(count: int, tmp_path: Path) -> None:
    text = render_starter(with_gpus(*(H100,) * count), "datacenter")
    file = tmp_path / "profile.yml"
    file.write_text(text)
    match = profiles.load_merged(file).profile.match
    assert (match.min_gpus, match.max_gpus) == (count, count)
    assert f"NVIDIA GPUs that were on the PCI bus when this file was made ({count})" in text


def test_a_starter_of_a_machine_without_a_visible_gpu_counts_none(tmp_path: Path) -> None:
    text = render_starter(BARE, "cpu-only")
    assert "match:" not in text
    file = tmp_path / "profile.yml"
    file.write_text(text)
    match = profiles.load_merged(file).profile.match
    assert (match.min_gpus, match.max_gpus) == (0, None)


def test_a_server_that_lost_one_of_its_eight_gpus_keeps_its_profile_and_fails_the_count(site: Path) -> None:
    (site / "profile.yml").write_text(render_starter(with_gpus(*(H100,) * 8), "datacenter"))
    profile = profiles.choose(with_gpus(*(H100,) * 7)).loaded.profile
    assert profile.name == "datacenter-site"
    match = profile.match.model_dump()
    assert only(COUNT, host(*({},) * 7), match=match).verdict == "fail"
    assert only(COUNT, host(*({},) * 8), match=match).verdict == "pass"


def test_a_disk_in_use_is_no_example() -> None:
    from dataclasses import replace

    text = render_starter(replace(BARE, disks=(NVME,)), "cpu-only", frozenset({"nvme1n1"}))
    assert NVME.serial not in text
