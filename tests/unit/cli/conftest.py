from __future__ import annotations

from pathlib import Path

import pytest

from agent.machine.hardware import observe_hardware, observe_virtualization
from agent.machine.mounts import observe_mounts
from agent.machine.recorded import RecordingMachine
from agent.machine.recording_file import save_recording
from tests.fixtures import FakeMachine

FILES = {
    "/etc/os-release": 'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n',
    "/proc/cpuinfo": "processor\t: 0\nmodel name\t: AMD Ryzen 9 7950X\n\nprocessor\t: 1\n",
    "/proc/meminfo": "MemTotal:       65000000 kB\n",
    "/proc/sys/kernel/hostname": "box-7\n",
    "/proc/sys/kernel/osrelease": "6.1.0-49-amd64\n",
    "/proc/self/mountinfo": "25 1 259:1 / / rw,relatime - ext4 /dev/nvme0n1p1 rw\n",
    "/sys/block/nvme0n1/size": "1953525168\n", "/sys/block/nvme0n1/device/serial": "ROOTSERIAL1\n",
    "/sys/block/nvme0n1/device/model": "Samsung SSD 990 PRO 1TB\n",
    "/sys/block/nvme1n1/size": "3907029168\n", "/sys/block/nvme1n1/device/serial": "DATASERIAL2\n",
    "/sys/block/nvme1n1/device/model": "Samsung SSD 990 PRO 2TB\n",
}


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings and state of the test's own; a screen of 80 columns without colours."""
    monkeypatch.setenv("FIRSTLIGHT_CONFIG", str(tmp_path / "etc"))
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def capture(tmp_path: Path) -> str:
    """The file of a recorded machine: a desktop without a GPU and with an empty second drive."""
    machine = RecordingMachine(FakeMachine(
        FILES, {("uname", "-m"): "x86_64\n", ("systemd-detect-virt",): "none\n"},
        folders=("/sys/bus/pci/devices",)))
    observe_hardware(machine)
    observe_virtualization(machine)
    observe_mounts(machine)
    machine.privileged()
    save_recording(machine.recording("box-7"), tmp_path / "box-7.json")
    return "box-7.json"
