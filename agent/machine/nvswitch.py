"""NVSwitches: the chips that join the cards of an HGX board, which a fabric manager has to start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.model.errors import Missing

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.hardware import PciGpu

_DEVICES = "/sys/bus/pci/devices"
_DRIVER = "/proc/driver/nvidia-nvswitch/devices"
# Boards of the fifth NVLink generation hide their switches behind network cards: B200 and B300 on HGX.
_HIDDEN = {"2901", "3182"}


def observe_switches(machine: Machine, cards: tuple[PciGpu, ...]) -> tuple[str, ...]:
    """Return the addresses of the NVSwitches (PCI class 0680 of NVIDIA), or where they hide; empty without any."""
    try:
        return machine.listing(_DRIVER)
    except Missing:
        pass
    found = tuple(address for address in machine.listing(_DEVICES)
                  if _read(machine, address, "vendor") == "0x10de"
                  and _read(machine, address, "class").startswith("0x0680"))
    if not found and sum(card.device_id in _HIDDEN for card in cards) > 1:
        return ("behind the network cards of the board",)
    return found


def _read(machine: Machine, address: str, name: str) -> str:
    try:
        return machine.read(f"{_DEVICES}/{address}/{name}").strip()
    except Missing:
        return ""
