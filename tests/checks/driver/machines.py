"""Machines with one card and a driver that is as it must be, or not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from agent.machine.gpu import PROBE
from agent.machine.journal import DMESG_ARGV
from agent.machine.secure_boot import FOLDER, GUID
from agent.machine.systemd import OTHERS, units_argv
from tests.checks.findings import units_text
from tests.fixtures import NOW, Content, FakeMachine, link, mode

KERNEL, NEWER = "6.8.0-45-generic", "6.8.0-60-generic"
VERSION, OTHER = "580.95.05", "580.126.09"
ADDRESS = "0000:01:00.0"
LIBRARIES = "/usr/lib/x86_64-linux-gnu"
SECURE_BOOT = f"{FOLDER}/SecureBoot-{GUID}"
CANONICAL = "Canonical Ltd. Kernel Module Signing"
KEYS = f"0c3d1a2b I------ 1 perm 1f030000 0 0 asymmetri {CANONICAL}: 88f752e560a1e0737e31163a466ad7b7: X509.rsa 1b []\n"
BLACKLIST = "/etc/modprobe.d/nvidia-graphics-drivers-kms.conf"


def module_path(kernel: str) -> str:
    """Return where a kernel's driver module lies."""
    return f"/lib/modules/{kernel}/kernel/nvidia-580-open/nvidia.ko.zst"


def modinfo(version: str = VERSION, *, flavour: str = "open", signer: str = CANONICAL) -> str:
    """Return what modinfo says of a module."""
    license_name = "Dual MIT/GPL" if flavour == "open" else "NVIDIA"
    return f"filename: x\nversion:        {version}\nlicense:        {license_name}\n" + (
        f"signer:         {signer}\n" if signer else "")


def packages(**versions: str) -> str:
    """Return dpkg's status file; underscores of the names stand for dashes."""
    return "\n".join(f"Package: {name.replace('_', '-')}\nStatus: install ok installed\nArchitecture: amd64\n"
                     f"Version: {version}\n" for name, version in {"bash": "5.2-1", **versions}.items())


def kernel_files(kernel: str) -> dict[str, Content]:
    """Return a kernel with the driver, nouveau and an initial RAM disk."""
    return {
        f"/boot/vmlinuz-{kernel}": "x", f"/boot/initrd.img-{kernel}": "x",
        f"/lib/modules/{kernel}/modules.dep":
            "kernel/fs/xfs/xfs.ko.zst: kernel/lib/libcrc32c.ko.zst\nkernel/drivers/gpu/drm/nouveau/nouveau.ko.zst:\n"
            "kernel/nvidia-580-open/nvidia-drm.ko.zst: kernel/nvidia-580-open/nvidia.ko.zst\n"
            "kernel/nvidia-580-open/nvidia.ko.zst:\n",
        f"/lib/modules/{kernel}/build/Makefile": "",
    }


def healthy_files(device: str = "2684") -> dict[str, Content]:
    """Return the files of a machine whose driver is loaded, whole and kept on its branch."""
    folder = f"/sys/bus/pci/devices/{ADDRESS}"
    return {
        f"{folder}/vendor": "0x10de\n", f"{folder}/class": "0x030000\n", f"{folder}/device": f"0x{device}\n",
        f"{folder}/driver": link("../../../../bus/pci/drivers/nvidia"),
        "/proc/sys/kernel/osrelease": KERNEL + "\n", "/proc/uptime": "1000.00 900.00\n", "/proc/cmdline": "quiet\n",
        "/sys/module/nvidia/version": VERSION + "\n",
        "/proc/driver/nvidia/version": f"NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {VERSION}  Release\n",
        "/proc/driver/nvidia/params": "ModifyDeviceFiles: 1\nDeviceFileMode: 438\n",
        f"{LIBRARIES}/libnvidia-ml.so.1": link(f"libnvidia-ml.so.{VERSION}"),
        f"{LIBRARIES}/libnvidia-ml.so.{VERSION}": "",
        **kernel_files(KERNEL), BLACKLIST: "# by the package\nblacklist nouveau\noptions nouveau modeset=0\n",
        "/dev/null": "", **{f"/dev/{name}": mode("char", 0o666) for name in ("nvidia0", "nvidiactl", "nvidia-uvm")},
        "/var/lib/dpkg/status": packages(nvidia_driver_580_open=f"{VERSION}-0ubuntu0.24.04.1",
                                         libnvidia_compute_580=f"{VERSION}-0ubuntu0.24.04.1",
                                         nvidia_utils_580=f"{VERSION}-0ubuntu0.24.04.1"),
        "/usr/lib/systemd/system/nvidia-persistenced.service":
            "[Service]\nExecStart=/usr/bin/nvidia-persistenced --user nvpd --verbose\n",
        "/sys/firmware/efi": "", SECURE_BOOT: b"\x06\x00\x00\x00\x01", "/proc/keys": KEYS,
    }


def unit(**changed: str) -> str:
    """Return what systemctl says of nvidia-persistenced."""
    return units_text(*OTHERS, nvidia_persistenced_service={
        "ActiveState": "active", "FragmentPath": "/usr/lib/systemd/system/nvidia-persistenced.service", **changed})


def nvml(*, persistence: int = 1) -> str:
    """Return what the NVML probe says of the card."""
    return json.dumps({"driver_version": {"v": VERSION}, "cuda_version": {"v": 13000}, "count": {"v": 1}, "hung_in": "",
                       "died_in": "", "gpus": {"0": {"persistence": {"v": persistence}}}})


def driver(files: Mapping[str, Content | None] | None = None, *, device: str = "2684",
           commands: Mapping[tuple[str, ...], str | Exception] | None = None, **more: Any) -> FakeMachine:
    """Return the healthy machine with some files changed; a file that is None is taken away."""
    whole = {**healthy_files(device), **(files or {})}
    return FakeMachine(
        {path: content for path, content in whole.items() if content is not None},
        {("modinfo", module_path(KERNEL)): modinfo(), ("modinfo", module_path(NEWER)): modinfo(),
         units_argv(OTHERS): unit(), PROBE: nvml(), DMESG_ARGV: "<6>[    0.000000] Linux version\n",
         **(commands or {})},
        folders=("/run/systemd/system", *more.pop("folders", ())), **more)


# A driver that is installed and not loaded.
UNLOADED: dict[str, Content | None] = {
    "/sys/module/nvidia/version": None, "/proc/driver/nvidia/version": None, f"/sys/bus/pci/devices/{ADDRESS}/driver":
    None, **{f"/dev/{name}": None for name in ("nvidia0", "nvidiactl", "nvidia-uvm")}}
# No driver at all.
ABSENT: dict[str, Content | None] = {
    **UNLOADED, f"{LIBRARIES}/libnvidia-ml.so.1": None, f"{LIBRARIES}/libnvidia-ml.so.{VERSION}": None,
    "/var/lib/dpkg/status": packages(), f"/lib/modules/{KERNEL}/modules.dep": "kernel/fs/xfs/xfs.ko.zst:\n"}
NO_CARD = FakeMachine({"/sys/bus/pci/devices/0000:00:02.0/vendor": "0x8086\n"})
OLD = NOW - 86_400
