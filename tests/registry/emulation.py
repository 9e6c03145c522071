"""The two CPUs of the images, and this machine as either of them: the other one by user-mode emulation (qemu)."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

MACHINES = {"amd64": 62, "arm64": 183}
KERNEL_NAMES = {"amd64": "x86_64", "arm64": "aarch64"}
CPU = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
OTHER = {"amd64": "arm64", "arm64": "amd64"}[CPU]
_BASE, _HEADERS = 0x400000, 64 + 56

# uname(2) into the stack, write(2) of its field `machine` (260 bytes in) and a line's end, exit(2)
_ARM64 = (0xD10643FF, 0x910003E0, 0xD2801408, 0xD4000001, 0x910413E1, 0xD2800002, 0x38626823, 0x34000063, 0x91000442,
          0x17FFFFFD, 0x52800143, 0x38226823, 0x91000442, 0xD2800020, 0xD2800808, 0xD4000001, 0xD2800000, 0xD2800BA8,
          0xD4000001)
_AMD64 = bytes.fromhex("4881ec90010000" "b83f000000" "4889e7" "0f05" "488db42404010000" "31d2"
                       "803c1600" "7405" "48ffc2" "ebf5" "c604160a" "48ffc2" "b801000000" "bf01000000" "0f05"
                       "b83c000000" "31ff" "0f05")
_CODE = {"amd64": _AMD64, "arm64": b"".join(word.to_bytes(4, "little") for word in _ARM64)}


def uname_program(architecture: str) -> bytes:
    """Return a static program for a CPU that prints what `uname -m` does; about 200 bytes."""
    code, entry = _CODE[architecture], _BASE + _HEADERS
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    for value, size in ((2, 2), (MACHINES[architecture], 2), (1, 4), (entry, 8), (64, 8), (0, 8), (0, 4), (64, 2),
                        (56, 2), (1, 2), (0, 6)):
        header += value.to_bytes(size, "little")
    size = _HEADERS + len(code)
    for value, width in ((1, 4), (5, 4), (0, 8), (_BASE, 8), (_BASE, 8), (size, 8), (size, 8), (0x1000, 8)):
        header += value.to_bytes(width, "little")
    return header + code


def runs(program: Path, architecture: str) -> bool:
    """Return whether a program for a CPU runs here and says so."""
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_bytes(uname_program(architecture))
    program.chmod(0o755)
    try:
        said = subprocess.run([program], capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return False
    return said == KERNEL_NAMES[architecture] + "\n"


@contextlib.contextmanager
def emulated(architecture: str, program: Path) -> Iterator[bool]:
    """Make programs for the other CPU run while in here; yields whether they do. What is registered is undone."""
    if runs(program, architecture):
        yield True
        return
    with registered(architecture) as done:
        yield done and runs(program, architecture)


@contextlib.contextmanager
def registered(architecture: str) -> Iterator[bool]:
    """Name qemu to the kernel for programs of a CPU, in containers too (flag F); needs root and qemu-user-static."""
    kernel, here = KERNEL_NAMES[architecture], Path("/proc/sys/fs/binfmt_misc")
    qemu = shutil.which(f"qemu-{kernel}-static") or shutil.which(f"qemu-{kernel}")
    if os.geteuid() != 0 or qemu is None:
        yield False
        return
    if not (here / "register").exists():
        subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", str(here)], check=True)
    head = uname_program(architecture)[:20]
    mask = b"\xff" * 7 + b"\0" + b"\xff" * 8 + b"\xfe" + b"\xff" * 3
    name = f"firstlight-{kernel}"
    (here / "register").write_bytes(
        f":{name}:M::{_escaped(head)}:{_escaped(mask)}:{qemu}:F".encode())
    try:
        yield True
    finally:
        (here / name).write_text("-1")


def _escaped(data: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in data)


def become(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the product learn what CPU this is from a program of that CPU, called uname."""
    from agent.machine import process

    monkeypatch.setattr(process, "FOLDERS", (str(program.parent), *process.FOLDERS))
