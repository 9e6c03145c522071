"""Killed at any moment, the next run finishes; what it cannot explain it refuses, unchanged."""

from __future__ import annotations

import os
import random
import signal
import stat
import subprocess
import time
import traceback
from pathlib import Path

import pytest
from ansible.module_utils import disk_making
from ansible.module_utils.blockdev import Refused

from tests.roles.data_disks.bench import MIB, Bench, need, sh

pytestmark = pytest.mark.root


def start(bench: Bench) -> int:
    """Run the apply in a process of its own; return its number."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            bench.keep()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return child


def wait_for_mkfs(disk_path: str) -> None:
    """Wait until no mkfs.xfs works on the disk."""
    for _ in range(200):
        if subprocess.run(["pgrep", "-f", f"mkfs.xfs .*{disk_path}$"], capture_output=True).returncode:
            return
        time.sleep(0.05)
    raise AssertionError("mkfs.xfs does not end")


def finished(bench: Bench) -> bool:
    """Run the apply until it has nothing to do; return whether the filesystem is sound and mounted."""
    bench.keep()
    assert bench.keep() == []
    (loop,) = bench.loops
    assert sh("findmnt", "-n", "-o", "LABEL", bench.mount).strip() == "data"
    assert bench.fstab.read_text().count("UUID=") == 1
    assert not [name for name in bench.ledger.parent.iterdir() if name.name.startswith(".firstlight")]
    sh("umount", bench.mount)
    sh("xfs_repair", "-n", loop.path)
    return True


@pytest.mark.parametrize("moment", range(10))
def test_kill_at_a_random_moment_is_finished_by_the_next_run(bench: Bench, moment: int) -> None:
    disk = bench.disk()
    child = start(bench)
    time.sleep(random.Random(moment).uniform(0.0, 1.5))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    wait_for_mkfs(disk.path)
    assert finished(bench)


def mkfs_that_dies(bench: Bench, writes: int) -> str:
    """Return a PATH on which mkfs.xfs is killed -9 at its n-th write to the disk."""
    folder = bench.folder / f"bin{writes}"
    folder.mkdir()
    script = folder / "mkfs.xfs"
    script.write_text(
        "#!/bin/sh\nexec strace -f -o /dev/null -e trace=pwrite64 "
        f'-e inject=pwrite64:signal=KILL:when={writes} /usr/sbin/mkfs.xfs "$@"\n'
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return f"{folder}:{disk_making.PATH}"


def die_at(bench: Bench, monkeypatch: pytest.MonkeyPatch, writes: int) -> str:
    """Make the disk with an mkfs that dies; return the refusal, "" when it had fewer writes than that."""
    with monkeypatch.context() as patched:
        patched.setattr(disk_making, "PATH", mkfs_that_dies(bench, writes))
        try:
            bench.keep()
        except Refused as error:
            return str(error)
    return ""


@pytest.mark.parametrize("writes", [1, 2, 9, 14, 40, 60, 65])
def test_mkfs_killed_at_its_nth_write_is_finished_by_the_next_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    need("strace")
    bench.disk()
    assert "mkfs.xfs refused or failed" in die_at(bench, monkeypatch, writes)
    assert bench.keep(check=True)[0]["before"] in ("blank", "half made by an interrupted run", "not in the ledger")
    assert finished(bench)


@pytest.mark.parametrize("place", [100 * MIB + 4096 * 7, 319 * MIB, 20 * 4096])
def test_half_made_with_anything_else_on_it_is_refused_and_unchanged(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    need("strace")
    disk = bench.disk()
    assert die_at(bench, monkeypatch, 40)
    disk.write(place, b"somebody wrote this since")
    text = bench.refused()
    assert f"the data at byte {place // 4096 * 4096} is not of the filesystem" in text
    assert "mkfs.xfs was interrupted" in text and "mkfs.xfs -f -L data -m uuid=" in text


def test_a_half_made_disk_that_somebody_uses_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    need("strace")
    disk = bench.disk()
    assert die_at(bench, monkeypatch, 40)
    Path(bench.folder, "etc", "crypttab").write_text(f"safe {disk.path}\n")
    assert "crypttab names it" in bench.refused()


def test_a_complete_filesystem_is_never_taken_for_half_made(bench: Bench) -> None:
    disk = bench.disk()
    bench.keep()
    Path(bench.mount, "file").write_text("precious")
    sh("umount", bench.mount)
    bench.ledger.write_text(bench.ledger.read_text().replace('"ready"', '"making"'))
    (change,) = bench.keep(check=True)[:1]
    assert change["after"] == "in the ledger, label data"
    disk.write(0, b"\0" * 4)
    text = bench.refused()
    assert "is not of the filesystem" in text or "not blank" in text
