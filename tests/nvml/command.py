"""`python -m tests.nvml.command WORD …`: the real command line on this machine, with a profile's cards on its PCI bus.

Everything is this machine's own but the files of the cards and of the loaded driver, and the NVML library
(FIRSTLIGHT_NVML_*). FIRSTLIGHT_TEST_PROBE_S shortens the probe's deadline.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import agent.machine.gpu
import agent.machine.local
from agent.machine.api import FileStatus
from tests.fixtures import FakeMachine
from tests.nvml.dress import bus_files_of, driver_files, keys_of

_OVERLAID = ("/sys/bus/pci/devices", "/sys/module/nvidia", "/proc/driver/nvidia", "/dev/dxg")


class DressedMachine(agent.machine.local.LocalMachine):
    """This machine, but for the PCI bus and the NVIDIA driver, which are a profile's."""

    def __init__(self) -> None:
        text = Path(os.environ["FIRSTLIGHT_NVML_PROFILE"]).read_text()
        self._dress = FakeMachine({"/sys/bus/pci/devices/0000:00:00.0/vendor": "0x8086\n", **bus_files_of(text),
                                   **driver_files(keys_of(text)["driver_version"])})

    def read_bytes(self, path: str, *, limit_bytes: int = 1 << 20) -> bytes:
        if path.startswith(_OVERLAID):
            return self._dress.read_bytes(path, limit_bytes=limit_bytes)
        return super().read_bytes(path, limit_bytes=limit_bytes)

    def listing(self, path: str) -> tuple[str, ...]:
        return self._dress.listing(path) if path.startswith(_OVERLAID) else super().listing(path)

    def status(self, path: str) -> FileStatus:
        return self._dress.status(path) if path.startswith(_OVERLAID) else super().status(path)

    def exists(self, path: str) -> bool:
        return self._dress.exists(path) if path.startswith(_OVERLAID) else super().exists(path)


def main() -> int:
    """Run the command."""
    from agent.cli.main import main as firstlight

    agent.machine.local.LocalMachine = DressedMachine  # type: ignore[misc]
    if "FIRSTLIGHT_TEST_PROBE_S" in os.environ:
        agent.machine.gpu.PROBE = ("firstlight-nvml", os.environ["FIRSTLIGHT_TEST_PROBE_S"])
    return int(firstlight())


if __name__ == "__main__":
    sys.exit(main())
