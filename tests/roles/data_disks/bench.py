"""Real loop disks with a serial number of their own, and the module run on them in this process."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.ansible_modules import load_module  # first: it makes ansible.module_utils hold ours

from ansible.module_utils.blockdev import Host, Refused  # isort: skip
from ansible.module_utils.disk_plan import Declared  # isort: skip

MIB = 1 << 20
SIZE = 320 * MIB
DATA_DISK = load_module("data_disk")


def sh(*argv: object, data: bytes | None = None) -> str:
    """Run a command that must succeed; return its output."""
    done = subprocess.run([str(word) for word in argv], input=data, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, f"{argv}: {done.returncode}: {done.stdout.decode()}{done.stderr.decode()}"
    return done.stdout.decode()


def need(*tools: str) -> None:
    """Skip without these tools; under CI=true their absence is a failure."""
    missing = [tool for tool in tools if shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None]
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"{', '.join(missing)} not installed, and this test must run")
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")


class BenchHost(Host):
    """The real machine, on which loop devices have the serials (and WWNs) of a table.

    A process 1 with more rights than the tests' root (root of a container) is left out; the product would refuse.
    """

    disk_types = ("disk", "loop")

    def __init__(self, table: dict[str, tuple[str, str]], root: Path) -> None:
        super().__init__(root=str(root))
        self.table = table

    def processes(self) -> list[str]:
        return [pid for pid in super().processes() if pid != "1" or os.access("/proc/1/ns/mnt", os.R_OK)]

    def identity(self, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        serial, wwn = self.table.get(name, ("", ""))
        return (serial,) * bool(serial), (wwn,) * bool(wwn)


def _extents(handle: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of the parts of a sparse file that are not holes."""
    end = 0
    while end < size:
        try:
            start = os.lseek(handle, end, os.SEEK_DATA)
        except OSError:  # a hole up to the end
            return
        end = os.lseek(handle, start, os.SEEK_HOLE)
        yield start, end


@dataclass
class Loop:
    """A loop disk, its image file and the serial it goes by."""

    path: str
    image: Path
    serial: str

    @property
    def name(self) -> str:
        return self.path.removeprefix("/dev/")

    def hash(self) -> str:
        """Return a SHA-256 of the whole disk on the medium: of each 4 KiB block that is not zero, and its place."""
        with open(self.path, "rb") as stream:
            os.fsync(stream.fileno())
        digest = hashlib.sha256()
        with open(self.image, "rb") as stream:
            for start, end in _extents(stream.fileno(), self.image.stat().st_size):
                for offset in range(start, end, 4096):
                    block = os.pread(stream.fileno(), min(4096, end - offset), offset)
                    if any(block):
                        digest.update(offset.to_bytes(8) + block)
        return digest.hexdigest()

    def write(self, offset: int, data: bytes) -> None:
        """Write at an offset (negative: from the end), on the medium before the return."""
        with open(self.path, "r+b", buffering=0) as stream:
            stream.seek(offset, os.SEEK_SET if offset >= 0 else os.SEEK_END)
            stream.write(data)
            os.fsync(stream.fileno())


@dataclass
class Bench:
    """A workplace in a folder: disks, an fstab, a ledger, mount points."""

    folder: Path
    loops: list[Loop] = field(default_factory=list)
    table: dict[str, tuple[str, str]] = field(default_factory=dict)
    children: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.folder / "etc").mkdir()
        self.fstab.write_text("# a comment stays\n/dev/nothing-of-ours / ext4 defaults 0 1\n")
        self.host = BenchHost(self.table, self.folder)

    @property
    def fstab(self) -> Path:
        return self.folder / "etc" / "fstab"

    @property
    def ledger(self) -> Path:
        return self.folder / "var" / "disks.json"

    @property
    def mount(self) -> str:
        return str(self.folder / "data")

    def disk(self, serial: str = "SERIAL0001", size: int = SIZE, flags: tuple[str, ...] = ()) -> Loop:
        """Return a blank loop disk."""
        image = self.folder / f"disk{len(self.loops)}.img"
        with open(image, "wb") as stream:
            stream.truncate(size)
        loop = Loop(sh("losetup", *flags, "--find", "--show", image).strip(), image, serial)
        self.loops.append(loop)
        self.table[loop.name] = (serial, "")
        return loop

    def declared(self, serial: str = "SERIAL0001", **other: Any) -> Declared:
        """Return a declaration with the values most tests want."""
        values: dict[str, Any] = {
            "serial": serial, "wwn": "", "size_bytes": None, "label": "data", "mount": self.mount,
            "options": ("noatime", "logbufs=8", "logbsize=256k"),
        }
        return Declared(**(values | other))

    def keep(self, *declared: Declared, check: bool = False) -> list[dict[str, str]]:
        """Run the module's work; return its changes."""
        result = DATA_DISK.Result()
        DATA_DISK.keep(
            self.host, list(declared or [self.declared()]), str(self.ledger), str(self.fstab), check, result
        )
        return list(result.changes)

    def refused(self, *declared: Declared) -> str:
        """Return the text with which plan and apply (the same, both) refuse; no byte of any disk may change."""
        before = [loop.hash() for loop in self.loops]
        table = self.fstab.read_text()
        with pytest.raises(Refused) as plan:
            self.keep(*declared, check=True)
        with pytest.raises(Refused) as apply:
            self.keep(*declared)
        assert [loop.hash() for loop in self.loops] == before, "a refused disk was changed"
        assert self.fstab.read_text() == table
        assert str(plan.value) == str(apply.value)
        return str(apply.value)

    def child(self, *argv: object) -> subprocess.Popen[bytes]:
        """Start a process that ends with the test."""
        child = subprocess.Popen([str(word) for word in argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.children.append(child)
        return child

    def clean(self) -> None:
        """End the children, unmount everything below the folder and detach the loop devices."""
        for child in self.children:
            child.kill()
            child.wait()
            for stream in (child.stdin, child.stdout):
                if stream is not None:
                    stream.close()
        for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
            place = line.split()[1]
            if place.startswith(str(self.folder)):
                subprocess.run(["umount", place], check=False)
        for loop in reversed(self.loops):
            subprocess.run(["partx", "--delete", loop.path], check=False, stderr=subprocess.DEVNULL)
            subprocess.run(["losetup", "--detach", loop.path], check=False)
