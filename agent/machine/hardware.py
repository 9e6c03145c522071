"""What this machine is: read from /proc, /sys and /etc, in about a hundredth of a second."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent.machine.disks import observe_disks
from agent.machine.pci import observe_gpus
from agent.model.errors import Unobservable
from agent.model.hardware import Hardware

if TYPE_CHECKING:
    from agent.machine.api import Machine

_VENDOR_OS_FILES = ("/etc/dgx-release", "/etc/fastos-release")
_ARM_CORES = {
    ("0x41", "0xd03"): "Cortex-A53", ("0x41", "0xd08"): "Cortex-A72", ("0x41", "0xd0b"): "Cortex-A76",
    ("0x41", "0xd0c"): "Neoverse-N1", ("0x41", "0xd40"): "Neoverse-V1", ("0x41", "0xd42"): "Cortex-A78AE",
    ("0x41", "0xd49"): "Neoverse-N2", ("0x41", "0xd4f"): "Neoverse-V2", ("0x41", "0xd84"): "Neoverse-V3",
    ("0x41", "0xd85"): "Cortex-X925", ("0x41", "0xd87"): "Cortex-A725", ("0xc0", "0xac3"): "Ampere-1",
}


def observe_hardware(machine: Machine) -> Hardware:
    """Return the facts a profile is chosen and sized by; raises Unobservable when /proc cannot be read."""
    release = _release(machine)
    cpuinfo = machine.read("/proc/cpuinfo", limit_bytes=8 << 20)
    return Hardware(
        hostname=machine.read("/proc/sys/kernel/hostname").strip(),
        architecture=machine.run(["uname", "-m"]).out.strip(),
        cpu_model=_cpu_model(cpuinfo),
        cpu_threads=len(re.findall(r"^processor\s*:", cpuinfo, re.MULTILINE)),
        memory_bytes=_memory_bytes(machine.read("/proc/meminfo")),
        distribution=release.get("ID", ""),
        distribution_version=release.get("VERSION_ID", ""),
        codename=release.get("VERSION_CODENAME", ""),
        kernel=machine.read("/proc/sys/kernel/osrelease").strip(),
        vendor_os="dgx-os" if any(machine.exists(path) for path in _VENDOR_OS_FILES) else "",
        virtualization="",
        product=_product(machine),
        gpus=observe_gpus(machine),
        disks=observe_disks(machine),
    )


def observe_system(machine: Machine) -> tuple[str, str]:
    """Return the architecture (`uname -m`) and the system as the matrix calls it: dgx-os, debian-12, ubuntu-24.04."""
    release = _release(machine)
    vendor = any(machine.exists(path) for path in _VENDOR_OS_FILES)
    name = f"{release.get('ID', '')}-{release.get('VERSION_ID', '')}".rstrip("-")
    return machine.run(["uname", "-m"]).out.strip(), "dgx-os" if vendor else name


def _release(machine: Machine) -> dict[str, str]:
    """Return the fields of /etc/os-release, unquoted."""
    pairs = (line.partition("=") for line in machine.read("/etc/os-release").splitlines())
    return {key.strip(): value.strip().strip("\"'") for key, sign, value in pairs if sign}


def _memory_bytes(meminfo: str) -> int:
    match = re.search(r"^MemTotal:\s+(\d+) kB", meminfo, re.MULTILINE)
    if match is None:
        raise Unobservable("/proc/meminfo: has no line MemTotal")
    return int(match[1]) * 1024


def _cpu_model(cpuinfo: str) -> str:
    """Return `model name`, or the ARM core kinds in the order they appear; empty when neither is told."""
    named = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    if named:
        return named[1].strip()
    implementers = re.findall(r"^CPU implementer\s*:\s*(\w+)", cpuinfo, re.MULTILINE)
    parts = re.findall(r"^CPU part\s*:\s*(\w+)", cpuinfo, re.MULTILINE)
    kinds = dict.fromkeys(zip(implementers, parts, strict=False))
    return " + ".join(_ARM_CORES.get(kind, f"ARM core {kind[0]}/{kind[1]}") for kind in kinds)


def observe_virtualization(machine: Machine) -> str:
    """Return what systemd-detect-virt says (kvm, docker, …), empty on bare metal, "unknown" without an answer."""
    try:
        said = machine.run(["systemd-detect-virt"], ok=None).out.strip()
    except Unobservable:
        return "unknown"
    return "" if said == "none" else said or "unknown"


def _product(machine: Machine) -> str:
    """Return maker and product, like `LENOVO 30KL0001 ThinkStation PGX`; empty when untold."""
    said = [_told(machine, f"/sys/class/dmi/id/{name}") for name in ("sys_vendor", "product_name")]
    if said[0].upper() == "LENOVO":
        said.append(_told(machine, "/sys/class/dmi/id/product_version"))
    return " ".join(word for word in said if word) or _told(machine, "/proc/device-tree/model")


def _told(machine: Machine, path: str) -> str:
    """Return the text of a file, empty when the firmware has no such thing or keeps it from us."""
    try:
        return machine.read(path).strip("\0 \n")
    except Unobservable:
        return ""
