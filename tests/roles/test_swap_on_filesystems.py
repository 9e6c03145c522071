"""Swap files on real filesystems: as root, with loop devices. The kernel itself says whether they are good."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ansible_modules import load_module

swap_file = load_module("swap_file")
pytestmark = pytest.mark.root
MIB = 1 << 20


class Runner:
    """Stands in for AnsibleModule: runs commands, fails by raising."""

    def run_command(self, command: list[str], **_: Any) -> tuple[int, str, str]:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def fail_json(self, **result: Any) -> None:
        raise AssertionError(result)


@pytest.fixture(params=["ext4", "xfs"])
def mounted(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A fresh filesystem of 400 MiB on a loop device, mounted; nothing is left behind."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    image, mount = tmp_path / "image", tmp_path / "mount"
    with image.open("wb") as stream:
        stream.truncate(400 * MIB)
    mount.mkdir()
    subprocess.run([f"mkfs.{request.param}", "-q", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(mount)], check=True)
    try:
        yield request.param, mount
    finally:
        subprocess.run(["swapoff", str(mount / "swap.img")], check=False, capture_output=True)
        subprocess.run(["umount", str(mount)], check=True)


def test_the_kernel_takes_the_file(mounted: tuple[str, Path]) -> None:
    kind, mount = mounted
    path = mount / "swap.img"
    assert swap_file.filesystem_of(str(mount)) == kind
    swap_file.make(Runner(), str(path), 64 * MIB, kind)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_blocks * 512 >= 64 * MIB
    subprocess.run(["swapon", str(path)], check=True)
    assert str(path) in Path("/proc/swaps").read_text()


def test_what_an_interrupted_run_left_is_replaced(mounted: tuple[str, Path]) -> None:
    kind, mount = mounted
    path = mount / "swap.img"
    left = mount / "swap.img.firstlight-new"
    left.write_bytes(b"half")
    swap_file.make(Runner(), str(path), 64 * MIB, kind)
    assert [name.name for name in mount.iterdir() if name.name.startswith("swap")] == ["swap.img"]


def test_a_file_too_large_for_the_disk_is_refused_before_anything_is_written(mounted: tuple[str, Path]) -> None:
    _, mount = mounted
    with pytest.raises(AssertionError, match="MiB are wanted"):
        swap_file.refuse_no_room(Runner(), str(mount / "swap.img"), 390 * MIB)
    assert not (mount / "swap.img").exists()
