"""Firmware that can be read without tools: board, processor, drives, network cards, GPUs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent.drift.area import Area
from agent.drift.texts import names_in
from agent.machine.gpu import observe_cards
from agent.model.drift import UNREAD
from agent.model.errors import Missing, Unobservable
from agent.model.gpu import NotSupported, Unread

if TYPE_CHECKING:
    from agent.machine.api import Machine

_BOARD = (
    "bios_vendor",
    "bios_version",
    "bios_date",
    "board_name",
    "board_version",
    "product_name",
    "ec_firmware_release",
)
_DEVICES = {"/sys/class/nvme": "firmware_rev", "/sys/class/infiniband": "fw_ver"}
_BLOCK = "/sys/class/block"
_SETTINGS = ("persistence", "compute_mode", "ecc", "mig", "power_limit_mw")


def observe_firmware(machine: Machine) -> dict[str, str]:
    """Return versions by part. NVMe drives and network cards go by their name, GPUs by their index."""
    found = {name: text for name in _BOARD if (text := _line(machine, f"/sys/class/dmi/id/{name}"))}
    try:
        microcode = re.search(
            r"^microcode\s*:\s*(\S+)", machine.read("/proc/cpuinfo", limit_bytes=1 << 16), re.MULTILINE
        )
    except Missing:
        microcode = None
    if microcode:
        found["microcode"] = microcode[1]
    for folder, file in _DEVICES.items():
        for name in names_in(machine, folder):
            if text := _line(machine, f"{folder}/{name}/{file}"):
                found[f"{name} firmware"] = text
    return found | _disks(machine)


def _disks(machine: Machine) -> dict[str, str]:
    """Return the firmware of SATA and SAS drives by their own names; a boot may exchange sda and sdb."""
    found = {}
    for name in names_in(machine, _BLOCK):
        if re.fullmatch(r"sd[a-z]+", name) and "/usb" not in machine.status(f"{_BLOCK}/{name}").target:
            own = " ".join(_line(machine, f"{_BLOCK}/{name}/device/wwid").split())
            if own and (text := _line(machine, f"{_BLOCK}/{name}/device/rev")):
                found[f"{own} firmware"] = text
    return found


def observe_gpus(machine: Machine) -> dict[str, str]:
    """Return name, VBIOS and lasting settings of each GPU, and the driver; {} on a machine without."""
    cards = observe_cards(machine)
    if cards.view is None:
        return {}
    if cards.view.failure or cards.view.hung_in or cards.view.died_in:
        raise Unobservable(cards.view.failure or "NVML did not answer")
    found = {"driver": cards.view.driver_version, "count": str(len(cards.view.gpus))}
    for gpu in cards.view.gpus:
        found[f"{gpu.index} name"] = gpu.name
        for name in ("vbios", *_SETTINGS):
            seen = gpu.reading(name)
            found[f"{gpu.index} {name}"] = (
                UNREAD
                if isinstance(seen, Unread)
                else "not supported"
                if isinstance(seen, NotSupported)
                else str(seen)
            )
    return found


def _line(machine: Machine, path: str) -> str:
    try:
        return machine.read(path).strip()
    except Missing:
        return ""
    except Unobservable:
        return UNREAD


AREAS = (
    Area("firmware", "firmware versions", observe_firmware),
    Area("gpu", "GPUs, VBIOS, lasting settings", observe_gpus),
)
