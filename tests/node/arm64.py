"""A Debian for arm64 with the product in it, run by qemu's user-mode emulation: minutes instead of seconds.

Needs qemu-user-static registered in binfmt_misc with the flag F.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.node.disposable import Disposable
from tests.node.images import CACHE, INSIDE, MIRROR, dependencies, key_of, made_once, product_wheel, shell

SUITE, PYTHON = "bookworm", "3.11"
PACKAGES = ("python3", "python3-venv", "ca-certificates", "procps", "kmod", "systemd")


class Emulated(Disposable):
    """A root that is entered by chroot; there is no systemd and no network of its own in it."""

    def __init__(self, root: Path) -> None:
        self.root, self.name = root, root.name

    def entrance(self, argv: Sequence[str]) -> list[str]:
        """Return the chroot that runs `argv` in the root."""
        return ["chroot", str(self.root), "/usr/bin/env", "-i", *(f"{key}={value}" for key, value in INSIDE.items()),
                *argv]


def arm64_root() -> Path:
    """Return a cached root with the product's dependencies in /opt/firstlight."""

    def make(root: Path) -> None:
        given = Path(os.environ.get("FIRSTLIGHT_ROOTS", "/nonexistent")) / f"{SUITE}-arm64"
        if given.is_dir():
            shell(["cp", "-a", "--reflink=auto", given, root])
        else:
            shell(["debootstrap", "--arch=arm64", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, root,
                   f"{MIRROR}/debian"], timeout_s=3000)
        platforms = [word for tag in ("manylinux_2_28", "manylinux_2_17", "manylinux2014")
                     for word in ("--platform", f"{tag}_aarch64")]
        shell([sys.executable, "-m", "pip", "download", "-q", "-d", root / "tmp/wheels", "--only-binary=:all:",
               "--implementation", "cp", "--python-version", PYTHON, *platforms, *dependencies()])
        shell(["chroot", root, "python3", "-m", "venv", "/opt/firstlight"], env=INSIDE, timeout_s=1800)
        shell(["chroot", root, "/opt/firstlight/bin/pip", "install", "-q", "--no-index", "--find-links", "/tmp/wheels",
               *dependencies()], env=INSIDE, timeout_s=3000)
        shutil.rmtree(root / "tmp/wheels")

    return made_once(CACHE / "arm64" / f"{SUITE}-{key_of(SUITE, *PACKAGES, *dependencies())}", make)


@contextlib.contextmanager
def arm64_node(wheel_folder: Path) -> Iterator[Emulated]:
    """Start from a copy of the root with the work tree's product installed; the copy is removed at the end."""
    if not Path("/proc/sys/fs/binfmt_misc/qemu-aarch64").exists() and os.uname().machine != "aarch64":
        pytest.skip("needs qemu-user-static registered in binfmt_misc")
    wheel = next(wheel_folder.glob("*.whl"), None) or product_wheel(wheel_folder)
    root = CACHE / f"arm64-{os.getpid()}"
    shell(["cp", "-a", "--reflink=auto", arm64_root(), root])
    mounts = [("proc", "proc", "proc"), ("sysfs", "sysfs", "sys"), ("tmpfs", "tmpfs", "run"), ("tmpfs", "tmpfs", "tmp"),
              ("devpts", "devpts", "dev/pts"), ("tmpfs", "tmpfs", "dev/shm")]
    done: list[Path] = []
    try:
        for kind, source, place in mounts:
            (root / place).mkdir(exist_ok=True, parents=True)
            shell(["mount", "-t", kind, source, root / place])
            done.append(root / place)
        shutil.copy(wheel, root / "opt")
        shell(["chroot", root, "/opt/firstlight/bin/pip", "install", "-q", "--no-index", "--no-deps",
               f"/opt/{wheel.name}"], env=INSIDE)
        yield Emulated(root)
    finally:
        for place in reversed(done):
            subprocess.run(["umount", "-l", place], check=False)
        shutil.rmtree(root)
