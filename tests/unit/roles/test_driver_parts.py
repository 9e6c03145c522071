"""Kernels, sources, Secure Boot and the vendor's systems, as the driver roles see them."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.ansible_modules import load_module

from ansible.module_utils import alternative, driver_seen, driver_steps, kernels, nvidia_sources, secure_boot, vendor  # isort: skip
from ansible.module_utils.driver_family import Family  # isort: skip

nouveau = load_module("nouveau_block")
fabric = load_module("fabric_manager")
cuda = load_module("nvidia_packages")
DEBIAN = ["linux-image-amd64", "linux-image-6.1.0-50-amd64", "linux-image-6.1.0-9-amd64",
          "linux-image-6.1.0-50-amd64-dbg", "linux-image-6.1.0-50-amd64-unsigned", "jq"]


def test_kernel_packages_are_releases_and_metapackages() -> None:
    assert kernels.image_names(DEBIAN) == (["6.1.0-50-amd64", "6.1.0-9-amd64"], ["amd64"])
    assert kernels.image_names(["linux-image-generic-hwe-24.04", "linux-image-unsigned-6.8.0-49-generic"]) == (
        ["6.8.0-49-generic"], ["generic-hwe-24.04"])


def test_a_module_is_needed_for_the_running_and_the_newest_kernel_alone() -> None:
    releases = ["6.1.0-9-amd64", "6.1.0-50-amd64", "6.1.0-42-amd64"]
    assert kernels.target_releases(releases, "6.1.0-9-amd64") == ["6.1.0-9-amd64", "6.1.0-50-amd64"]
    assert kernels.target_releases(releases, "6.18.44-other") == ["6.1.0-50-amd64"]
    assert kernels.target_releases([], "6.18.44-other") == []


def test_headers_follow_the_kernels_and_those_to_come() -> None:
    releases, metas = kernels.image_names(DEBIAN)
    assert kernels.header_packages(releases, metas, "6.1.0-9-amd64") == [
        "linux-headers-6.1.0-9-amd64", "linux-headers-6.1.0-50-amd64", "linux-headers-amd64"]


def test_a_kernel_of_ones_own_without_headers_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "in_container", lambda: False)
    with pytest.raises(kernels.NoHeadersError, match=r"9\.9\.9-own"):
        kernels.header_packages([], [], "9.9.9-own")


def test_a_boot_without_image_initial_disk_or_module_is_foreseen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "vmlinuz-9.9.9-own").write_text("kernel")
    (tmp_path / "initrd.img-9.9.9-own").write_text("")
    monkeypatch.setattr(kernels.shutil, "which", lambda name, path: f"/usr/sbin/{name}")
    assert kernels.boot_problems("9.9.9-own", signed=False, boot=str(tmp_path)) == [
        f"{tmp_path}/initrd.img-9.9.9-own is missing or empty", "no NVIDIA module for kernel 9.9.9-own"]


@pytest.mark.parametrize(("system", "architecture", "folder", "key"), [
    (("ubuntu", "24.04"), "x86_64", "ubuntu2404/x86_64", "3bf863cc.pub"),
    (("ubuntu", "22.04"), "aarch64", "ubuntu2204/sbsa", "3bf863cc.pub"),
    (("debian", "12"), "x86_64", "debian12/x86_64", "3bf863cc.pub"),
    (("debian", "13"), "aarch64", "debian13/sbsa", "8793F200.pub"),
])
def test_nvidias_folder_and_key_follow_from_the_system(
    system: tuple[str, str], architecture: str, folder: str, key: str
) -> None:
    source = nvidia_sources.cuda_source("https://x/repos", "", *system, architecture)
    assert (source.uri, source.key) == (f"https://x/repos/{folder}/", f"https://x/repos/{folder}/{key}")
    assert nvidia_sources.cuda_source("https://x/repos/", "https://k", *system, architecture).key == "https://k"


def test_the_tools_folder_is_named_as_dpkg_names_machines() -> None:
    source = nvidia_sources.tools_source("https://x/repos", "", "debian", "13", "aarch64")
    assert source.uri == "https://x/repos/ubuntu2404/arm64/"


def test_a_source_that_an_earlier_task_adds_is_no_change_again() -> None:
    source = nvidia_sources.Source("/nowhere/a.sources", "https://nobody.invalid/x/", "k")
    assert nvidia_sources.source_change(source) is not None
    assert nvidia_sources.source_change(source, "/etc/x /nowhere/a.sources") is None


ONE_LINE = "deb [arch=amd64 signed-by=/k.gpg] http://m/debian bookworm main\n# deb http://m/debian bookworm non-free\n"
STANZA = "Types: deb\nURIs: http://m/debian\nSuites: bookworm bookworm-updates\nComponents: main\nSigned-By: /k.pgp\n"


def entries(monkeypatch: pytest.MonkeyPatch, texts: dict[str, str]) -> None:
    monkeypatch.setattr(nvidia_sources, "read_text", texts.get)
    monkeypatch.setattr(nvidia_sources.glob, "glob",
                        lambda pattern: [path for path in texts if path.endswith(pattern[-5:])])


@pytest.mark.parametrize(("path", "text", "suites", "key"), [
    ("/etc/apt/sources.list", ONE_LINE, "bookworm", "/k.gpg"),
    ("/etc/apt/sources.list.d/debian.sources", STANZA, "bookworm bookworm-updates", "/k.pgp"),
])
def test_debians_driver_comes_from_the_machines_own_mirror(
    monkeypatch: pytest.MonkeyPatch, path: str, text: str, suites: str, key: str
) -> None:
    entries(monkeypatch, {path: text})
    made = nvidia_sources.non_free_text("bookworm")
    assert f"URIs: http://m/debian\nSuites: {suites}\nComponents: contrib non-free non-free-firmware\n" in made
    assert f"Signed-By: {key}\n" in made
    assert nvidia_sources.non_free_text("trixie") == ""


def test_no_source_is_added_where_non_free_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    entries(monkeypatch, {"/etc/apt/sources.list": "deb http://m/debian bookworm main contrib non-free\n"})
    assert nvidia_sources.non_free_text("bookworm") == ""


def test_a_file_that_was_put_is_taken_back(tmp_path: Path) -> None:
    path = str(tmp_path / "pin")
    nvidia_sources.put_file(path, "one")()
    assert not os.path.exists(path)
    nvidia_sources.put_file(path, "one")
    nvidia_sources.put_file(path, None)()
    assert Path(path).read_text() == "one"


@pytest.mark.parametrize(("have", "wanted", "branch"), [("debian", "nvidia", "580"), ("ubuntu", "nvidia", "580"),
                                                        ("debian", "debian", "580")])
def test_drivers_of_two_sources_are_not_mixed(have: str, wanted: str, branch: str) -> None:
    installed = driver_seen.Installed(have, "535.309.01", "proprietary", {})
    with pytest.raises(driver_steps.Refusal, match=r"535\.309\.01"):
        driver_steps.refuse_mixing(installed, Family(wanted, branch, "open", ()))


def test_secure_boot_is_what_the_firmware_says(tmp_path: Path) -> None:
    variable = tmp_path / "SecureBoot"
    assert not secure_boot.enabled(str(variable))
    variable.write_bytes(b"\x06\0\0\0\x01")
    assert secure_boot.enabled(str(variable))
    variable.write_bytes(b"\x06\0\0\0\x00")
    assert not secure_boot.enabled(str(variable))


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = folder / "mokutil"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@pytest.mark.parametrize(("said", "state"), [
    ("/k is already enrolled", "enrolled"), ("/k is already in the enrollment request", "staged"),
    ("/k is not enrolled", "unknown-to-firmware")])
def test_a_keys_state_is_what_mokutil_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, state: str
) -> None:
    stand_in(tmp_path, monkeypatch, f"echo '{said}'")
    assert secure_boot.key_state("/k") == state


def test_the_password_of_a_staged_key_is_roots_alone_and_on_no_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, monkeypatch, f'echo "$@" >{tmp_path}/words; cat >{tmp_path}/typed')
    kept = tmp_path / "state" / "password"
    monkeypatch.setattr(secure_boot, "PASSWORD", str(kept))
    secure_boot.stage("/k")
    password = kept.read_text().strip()
    assert password.isdigit()
    assert (tmp_path / "typed").read_text() == f"{password}\n{password}\n"
    assert (tmp_path / "words").read_text() == "--import /k\n"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert "sudo cat" in secure_boot.STEPS


@pytest.mark.parametrize(("key", "state", "changes", "person"), [
    ("", "", 1, True), ("/k", "unknown-to-firmware", 1, True), ("/k", "staged", 0, True), ("/k", "enrolled", 0, False)])
def test_a_person_is_asked_until_the_key_is_enrolled(
    monkeypatch: pytest.MonkeyPatch, key: str, state: str, changes: int, person: bool
) -> None:
    monkeypatch.setattr(secure_boot, "enabled", lambda: True)
    monkeypatch.setattr(secure_boot, "find_key", lambda: key)
    monkeypatch.setattr(secure_boot, "key_state", lambda path: state)
    found = driver_steps.key_change(True)
    assert (len(found[0]), found[1]) == (changes, person)
    assert driver_steps.key_change(False) == ([], False)


def test_a_key_that_mokutil_refuses_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch, "cat >/dev/null; echo 'EFI variables are not supported' >&2; exit 255")
    monkeypatch.setattr(secure_boot, "PASSWORD", str(tmp_path / "password"))
    with pytest.raises(secure_boot.StagingError, match="EFI variables are not supported"):
        secure_boot.stage("/k")


def test_initial_disks_older_than_the_block_are_rebuilt_and_others_are_not(tmp_path: Path) -> None:
    block = tmp_path / "block.conf"
    block.write_text("")
    ages_s = {"initrd.img-1": 100, "initrd.img-2": -100, "vmlinuz-1": 100, "initrd.img-1.old-dkms": 9}
    for name, age_s in ages_s.items():
        (tmp_path / name).write_text("")
        now = block.stat().st_mtime
        os.utime(tmp_path / name, (now - age_s, now - age_s))
    assert nouveau.stale_disks(str(block), str(tmp_path), written=False) == ["1"]
    assert nouveau.stale_disks(str(block), str(tmp_path), written=True) == ["1", "2"]
    assert nouveau.stale_disks(str(block), str(tmp_path / "none"), written=True) == []


SPARK = 'DGX_NAME="DGX Spark"\nDGX_SWBUILD_VERSION="7.2.3"\nDGX_OTA_VERSION="7.5.0"\n'


@pytest.mark.parametrize(("text", "words"), [
    (SPARK, ["DGX OS 7.5.0 (DGX Spark)", "DGX Dashboard", "fwupdmgr"]),
    ('DGX_NAME="DGX H100"\nDGX_SWBUILD_VERSION="7.1.0"\n', ["DGX OS 7.1.0 (DGX H100)", "release notes"]),
])
def test_the_vendors_way_is_named(monkeypatch: pytest.MonkeyPatch, text: str, words: list[str]) -> None:
    monkeypatch.setattr(vendor, "read_text", {"/etc/dgx-release": text}.get)
    note = vendor.vendor_note("the driver", "loaded 580.159.03")
    assert note is not None
    assert all(word in note for word in (*words, "loaded 580.159.03", "not changed"))


def test_a_plain_system_is_nobody_elses_unless_the_profile_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendor, "read_text", lambda path: None)
    assert vendor.vendor_note("the driver", "none") is None
    assert "vendor_managed" in (vendor.vendor_note("the driver", "none", True) or "")


@pytest.mark.parametrize(("source", "branch", "name"), [
    ("nvidia", "580", "nvidia-fabricmanager"), ("nvidia", "570", "nvidia-fabricmanager-570"),
    ("ubuntu", "580", "nvidia-fabricmanager-580"), ("nvidia", "", "nvidia-fabricmanager")])
def test_the_fabric_managers_package_is_named_by_source_and_branch(source: str, branch: str, name: str) -> None:
    assert fabric.package_name(source, branch) == name


def test_a_package_of_another_version_than_asked_is_a_change(monkeypatch: pytest.MonkeyPatch) -> None:
    versions: dict[str, Any] = {"a": "9.13.0-1", "b": "9.10.2-1"}
    monkeypatch.setattr(driver_seen, "single_version", lambda name: versions.get(name, ""))
    found = cuda.package_changes(["a=9.13*", "b=9.13*", "c"])
    assert [(one["target"], one["before"], one["after"]) for one in found] == [
        ("b", "9.10.2-1", "9.13"), ("c", "absent", "installed")]


def test_a_link_is_pointed_to_what_is_wanted_and_a_real_folder_is_left_alone(tmp_path: Path) -> None:
    link, old, new, real = (str(tmp_path / name) for name in ("cuda", "cuda-12.9", "cuda-13.0", "real"))
    for folder in (old, new, real):
        os.mkdir(folder)
    assert alternative.link_change(link, new) == {"target": link, "before": "absent", "after": new}
    os.symlink(old, link)
    alternative.choose(link, new)
    assert os.readlink(link) == new
    assert alternative.link_change(link, new) is None
    assert alternative.link_change(real, new) is None
