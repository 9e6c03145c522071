"""This machine with the cards of a stand-in profile on its bus: NVML is asked through the real child process."""

from __future__ import annotations

from agent.machine.local import LocalMachine
from tests.fixtures import FakeMachine
from tests.nvml.machines import GB10_MEMORY, bus_files


class MachineWithCards(LocalMachine):
    """LocalMachine whose PCI bus is that of a profile in tests/nvml/profiles."""

    def __init__(self, profile: str) -> None:
        files = {"/sys/bus/pci/devices/0000:00:00.0/vendor": "0x8086\n", **bus_files(profile)}
        if profile == "gb10":
            files["/proc/meminfo"] = GB10_MEMORY
        self._bus = FakeMachine(files)

    def _is_told(self, path: str) -> bool:
        self._bus.asked.clear()  # it keeps what it was asked; here that is for hours
        return path.startswith("/sys/bus/pci") or path in self._bus.files

    def read(self, path: str, *, limit_bytes: int = 1 << 20) -> str:
        return self._bus.read(path) if self._is_told(path) else super().read(path, limit_bytes=limit_bytes)

    def read_bytes(self, path: str, *, limit_bytes: int = 1 << 20) -> bytes:
        return self._bus.read_bytes(path) if self._is_told(path) else super().read_bytes(path, limit_bytes=limit_bytes)

    def listing(self, path: str) -> tuple[str, ...]:
        return self._bus.listing(path) if self._is_told(path) else super().listing(path)

    def exists(self, path: str) -> bool:
        return path == "/sys/module/nvidia" or (self._bus.exists(path) if self._is_told(path) else super().exists(path))
