"""A reader in uninterruptible sleep, made with a frozen filesystem: no signal ends it, as with a sick driver."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.machine import nvml_probe
from tests.nvml.stand_in import StandIn
from tests.unit.nvml.processes import states, wait_until
from tests.unit.nvml.test_hangs import SHORT_S, START_S, checked, findings


@pytest.fixture
def frozen(tmp_path: Path) -> Iterator[Path]:
    """A file on a frozen filesystem: whoever writes to it sleeps until it thaws."""
    image, folder = tmp_path / "disk.img", tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(64 << 20)
    folder.mkdir()
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(folder)], check=True)
    try:
        path = folder / "file"
        path.touch()
        subprocess.run(["sync", "-f", str(folder)], check=True)
        subprocess.run(["fsfreeze", "--freeze", str(folder)], check=True)
        yield path
    finally:
        subprocess.run(["fsfreeze", "--unfreeze", str(folder)], check=False, capture_output=True)
        assert wait_until(lambda: subprocess.run(["umount", str(folder)], check=False,
                                                 capture_output=True).returncode == 0)


@pytest.mark.root
def test_a_reader_that_nothing_can_end_is_left_alone_and_not_joined(stand_in: StandIn, frozen: Path) -> None:
    stand_in.use("a100x4").add(f"hang.nvmlDeviceGetName = {frozen}")
    first = checked(stand_in)
    assert first.wall_s < SHORT_S + 1 + START_S
    assert "nvmlDeviceGetName of GPU 0" in findings(first)["gpu.responds"][0]["summary"]
    assert list(first.left.values()) == ["D"]
    pid, = first.left
    assert nvml_probe.find_stuck() == pid

    second = checked(stand_in)
    told = findings(second)["gpu.responds"][0]
    assert (told["verdict"], second.left) == ("fail", {pid: "D"})
    assert f"process {pid} still waits in the driver" in told["summary"]

    subprocess.run(["fsfreeze", "--unfreeze", str(frozen.parent)], check=True)
    assert wait_until(lambda: states(str(stand_in.profile)) == {})
    stand_in.use("a100x4")
    third = checked(stand_in)
    assert findings(third)["gpu.responds"][0]["verdict"] == "pass"
