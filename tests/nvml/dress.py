"""The files of cards and of a loaded driver that belong to a profile's text."""

from __future__ import annotations

from tests.fixtures import Content, link

KERNEL = "6.8.0-45-generic"
BOOT_LINE = f"<5>[    0.000000] Linux version {KERNEL}"
UPTIME = "2592000.00 2500000.00\n"


def keys_of(text: str) -> dict[str, str]:
    """Return the keys of a profile."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def kernel_log_of(text: str) -> str:
    """Return what `dmesg --raw` prints: the first line of the boot, then the `kernel.N` lines of a profile's text."""
    lines = [value for key, value in keys_of(text).items() if key.startswith("kernel.")]
    return "\n".join((BOOT_LINE, *lines)) + "\n"


def bus_files_of(text: str) -> dict[str, Content]:
    """Return the sysfs files of the cards in a profile's text, held by the driver."""
    told = keys_of(text)
    files: dict[str, Content] = {}
    for index in range(int(told["gpus"])):
        if address := told.get(f"gpu{index}.pci"):
            folder = f"/sys/bus/pci/devices/{address}.0"
            files |= {f"{folder}/vendor": "0x10de\n", f"{folder}/class": "0x030200\n",
                      f"{folder}/device": f"0x{told['gpu.pci_id'][2:6]}\n",
                      f"{folder}/driver": link("../../../../bus/pci/drivers/nvidia")}
    return files


def driver_files(version: str, *, library: str = "") -> dict[str, Content]:
    """Return a loaded driver of a version, with a library of the same or another one."""
    libraries = "/usr/lib/x86_64-linux-gnu"
    return {
        "/sys/module/nvidia/version": version + "\n",
        "/proc/driver/nvidia/version": f"NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {version}  Release\n",
        f"{libraries}/libnvidia-ml.so.1": link(f"libnvidia-ml.so.{library or version}"),
        f"{libraries}/libnvidia-ml.so.{library or version}": "",
        f"/lib/modules/{KERNEL}/modules.dep": "kernel/fs/xfs/xfs.ko:\nupdates/dkms/nvidia.ko.zst: kernel/x.ko\n",
        "/dev/nvidia0": "", "/dev/nvidiactl": "",
    }
