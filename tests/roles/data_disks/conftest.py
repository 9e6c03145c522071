"""The bench: as root, with loop devices."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.roles.data_disks.bench import Bench, need


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A workplace that leaves no mount, loop device or file behind."""
    if os.geteuid() != 0:
        if os.environ.get("CI") == "true":
            pytest.fail("these tests must run, and need root")
        pytest.skip("needs root")
    need("losetup", "mkfs.xfs", "blkid", "wipefs", "lsblk", "findmnt")
    with tempfile.TemporaryDirectory(prefix="firstlight-disks-") as folder:
        bench = Bench(Path(folder))
        try:
            yield bench
        finally:
            bench.clean()
