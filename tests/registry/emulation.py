"""The two CPUs of the images, and this machine as either of them: the other one by user-mode emulation (qemu)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

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


def become(architecture: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the product learn from a program of that CPU that it runs on one. Skips where none can run here."""
    program = folder / "uname"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_bytes(uname_program(architecture))
    program.chmod(0o755)
    try:
        said = subprocess.run([program], capture_output=True, text=True, check=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError):
        pytest.skip(f"programs for {architecture} do not run here: apt install qemu-user-static binfmt-support")
    assert said == KERNEL_NAMES[architecture] + "\n"
    from agent.machine import process

    monkeypatch.setattr(process, "FOLDERS", (str(folder), *process.FOLDERS))
