"""Machines around the stand-in: the PCI bus, memory and driver that belong to a profile."""

from __future__ import annotations

import re
from collections.abc import Mapping

from agent.machine.gpu import PROBE
from agent.machine.journal import DMESG_ARGV
from agent.machine.process import run_command
from tests.fixtures import Content, FakeMachine
from tests.nvml.dress import KERNEL, UPTIME, bus_files_of, driver_files, kernel_log_of, keys_of
from tests.nvml.stand_in import PROFILES, StandIn

# The product gives it 6 s; that is no limit for a machine that is busy with tests.
PROBE_ARGV: tuple[str, ...] = (*PROBE, "60")
PROBE_LIMIT_S = 70.0
GB10_MEMORY = "MemTotal:       127600748 kB\nMemFree:         2900000 kB\nMemAvailable:   121465408 kB\n"
ORIN_MEMORY = "MemTotal:       64349336 kB\nMemFree:        41200000 kB\nMemAvailable:   58113408 kB\n"
HOST_MEMORY = "MemTotal:       527600748 kB\nMemFree:       402900000 kB\nMemAvailable:   501465408 kB\n"


def bus_files(profile: str) -> dict[str, Content]:
    """Return the sysfs files of the cards in a profile, before any fault."""
    return bus_files_of(PROFILES[profile].read_text())


def machine(stand_in: StandIn, profile: str, *, driver: bool = True, library: str = "",
            more: Mapping[str, Content] | None = None) -> FakeMachine:
    """Return a machine with the cards of a profile that answers as the stand-in does now, through the real probe."""
    version = keys_of(PROFILES[profile].read_text())["driver_version"]
    files: dict[str, Content] = {
        "/proc/meminfo": {"gb10": GB10_MEMORY, "orin": ORIN_MEMORY}.get(profile, HOST_MEMORY),
        "/proc/sys/kernel/osrelease": KERNEL + "\n", f"/boot/vmlinuz-{KERNEL}": "", "/dev/null": "",
        "/sys/bus/pci/devices/0000:00:00.0/vendor": "0x8086\n", "/proc/uptime": UPTIME,
        **bus_files(profile), **(driver_files(version, library=library) if driver else {}), **(more or {}),
    }
    return FakeMachine(files, {
        PROBE: run_command(PROBE_ARGV, PROBE_LIMIT_S),
        DMESG_ARGV: kernel_log_of(stand_in.profile.read_text()),
        ("modinfo", f"/lib/modules/{KERNEL}/updates/dkms/nvidia.ko.zst"):
            f"version:        {version}\nlicense:        Dual MIT/GPL\nsigner:         Machine Owner Key\n",
    })


def without_gpu(more: Mapping[str, Content]) -> FakeMachine:
    """Return a machine on whose PCI bus nothing is NVIDIA's."""
    return FakeMachine({"/proc/meminfo": HOST_MEMORY, "/proc/sys/kernel/osrelease": KERNEL + "\n",
                        "/sys/bus/pci/devices/0000:00:00.0/vendor": "0x8086\n", **more})


def shortened(text: str) -> str:
    """Return a summary with what differs between equal cards taken out."""
    return re.sub(r"GPU \d+", "GPU N", text)
