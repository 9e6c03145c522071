"""Machines whose NVML says what a test wants: readings by name, error codes as `Refused(code)`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from agent.machine.gpu import PROBE
from agent.model.errors import Unobservable
from tests.fixtures import Content, FakeMachine

DEAD_PROBE = Unobservable("firstlight-nvml: no answer within 8 s")
NAME, ADDRESS = "NVIDIA A100-SXM4-40GB", "0000:01:00.0"
MEMINFO = "MemTotal:       127600748 kB\nMemAvailable:   121465408 kB\n"


@dataclass(frozen=True)
class Refused:
    """NVML's error code: 3 not supported, 4 no permission, 15 lost, 999 unknown."""

    code: int


NOT_SUPPORTED, NO_PERMISSION, LOST, STRANGE = Refused(3), Refused(4), Refused(15), Refused(999)


def answer(*gpus: dict[str, Any], **more: Any) -> str:
    """Return the probe's JSON for cards with these readings."""
    said = {"driver_version": {"v": "580.95.05"}, "cuda_version": {"v": 13000}, "count": {"v": len(gpus)},
            "hung_in": "", "died_in": "", **more}
    told = {}
    for index, readings in enumerate(gpus):
        whole = {"name": NAME, "uuid": f"GPU-{index}", "address": f"0000:{index + 1:02x}:00.0", **readings}
        told[str(index)] = {name: {"e": value.code} if isinstance(value, Refused) else {"v": value}
                            for name, value in whole.items()}
    return json.dumps({**said, "gpus": told})


def bus(*addresses: str, device: str = "20b0") -> dict[str, Content]:
    """Return the sysfs files of NVIDIA cards at these addresses."""
    files: dict[str, Content] = {}
    for address in addresses:
        folder = f"/sys/bus/pci/devices/{address}"
        files |= {f"{folder}/vendor": "0x10de\n", f"{folder}/class": "0x030200\n", f"{folder}/device": f"0x{device}\n"}
    return files


def host(*gpus: dict[str, Any], said: str | Exception = "", files: dict[str, Content] | None = None,
         **more: Any) -> FakeMachine:
    """Return a machine with these cards on the bus and in NVML; `said` replaces NVML's answer."""
    on_bus = bus(*(f"0000:{index + 1:02x}:00.0" for index in range(max(len(gpus), 1))))
    return FakeMachine({"/proc/meminfo": MEMINFO, "/sys/module/nvidia/version": "580.95.05\n",
                        "/proc/sys/kernel/osrelease": "6.8.0-45-generic\n", "/dev/null": "",
                        **on_bus, **(files or {})}, {PROBE: said or answer(*gpus)}, **more)


def one(**readings: Any) -> FakeMachine:
    """Return a machine with one card of these readings."""
    return host(readings)


NO_CARD = FakeMachine({"/sys/bus/pci/devices/0000:00:02.0/vendor": "0x8086\n"})
