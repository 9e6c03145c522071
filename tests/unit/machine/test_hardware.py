from __future__ import annotations

import platform
from dataclasses import replace

import pytest

from agent.machine.api import Completed
from agent.machine.hardware import observe_hardware, observe_virtualization
from agent.machine.local import LocalMachine
from agent.model.errors import Unobservable
from agent.model.hardware import Disk, PciGpu
from tests.fixtures import FakeMachine


def machine(files, architecture, virtualization="none"):
    code = 0 if virtualization != "none" else 1
    detect = ("systemd-detect-virt",)
    return FakeMachine(files, {("uname", "-m"): f"{architecture}\n",
                               detect: Completed(detect, code, f"{virtualization}\n", "")})


def base(release, hostname, kernel, memory_kb):
    return {"/etc/os-release": release, "/proc/sys/kernel/hostname": f"{hostname}\n",
            "/proc/sys/kernel/osrelease": f"{kernel}\n",
            "/proc/meminfo": f"MemTotal:       {memory_kb} kB\nMemFree: 1 kB\n"}


def pci(address, vendor, device, kind):
    folder = f"/sys/bus/pci/devices/{address}"
    return {f"{folder}/vendor": f"{vendor}\n", f"{folder}/device": f"{device}\n",
            f"{folder}/class": f"{kind}\n"}


def block(name, sectors, **attributes):
    files = {f"/sys/block/{name}/size": f"{sectors}\n", f"/sys/block/{name}/removable": "0\n",
             f"/sys/block/{name}/ro": "0\n", f"/sys/block/{name}/queue/rotational": "0\n"}
    named = {key.replace("__", "/"): value for key, value in attributes.items()}
    return files | {f"/sys/block/{name}/{key}": value for key, value in named.items()}


def arm_core(number, part):
    return f"processor\t: {number}\nBogoMIPS\t: 2000.00\nCPU implementer\t: 0x41\nCPU part\t: {part}\n\n"


UBUNTU_24 = """PRETTY_NAME="Ubuntu 24.04.3 LTS"
VERSION_ID="24.04"
VERSION_CODENAME=noble
ID=ubuntu
ID_LIKE=debian
"""
DEBIAN_12 = """PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
VERSION_ID="12"
VERSION_CODENAME=bookworm
ID=debian
"""

SPARK = machine(
    base(UBUNTU_24, "spark-1", "6.14.0-1013-nvidia", 125_530_000)
    | {"/proc/cpuinfo": "".join(arm_core(n, "0xd87" if n % 10 < 5 else "0xd85") for n in range(20)),
       "/etc/dgx-release": 'DGX_NAME="DGX Spark"\n', "/sys/class/dmi/id/sys_vendor": "LENOVO\n",
       "/sys/class/dmi/id/product_name": "30KL0001US\n",
       "/sys/class/dmi/id/product_version": "ThinkStation PGX\n"}
    | pci("000f:01:00.0", "0x10de", "0x2e12", "0x030200")
    | pci("0000:01:00.0", "0x15b3", "0x1021", "0x020000")
    | block("nvme0n1", 7_814_037_168, device__serial="S7ABNX0W100001  \n", wwid="eui.0025384a31404321\n",
            device__model="SAMSUNG MZALC4T0HBL1-00B07              \n")
    | block("loop0", 8) | block("zram0", 8), "aarch64")

WORKSTATION_CPU = """processor\t: 0
model name\t: AMD Ryzen 9 7950X 16-Core Processor

processor\t: 1
model name\t: AMD Ryzen 9 7950X 16-Core Processor
"""
WORKSTATION = machine(
    base(UBUNTU_24, "rig", "6.8.0-87-generic", 131_072_000)
    | {"/proc/cpuinfo": WORKSTATION_CPU, "/sys/class/dmi/id/sys_vendor": "ASUS\n",
       "/sys/class/dmi/id/product_name": "System Product Name\n"}
    | pci("0000:01:00.0", "0x10de", "0x2684", "0x030000")
    | pci("0000:01:00.1", "0x10de", "0x22ba", "0x040300")
    | pci("0000:02:00.0", "0x10de", "0xFFF1", "0x030000")
    | pci("0000:0a:00.0", "0x1002", "0x164e", "0x030000")
    | block("sda", 7_814_037_168, device__vpd_pg80=b"\x00\x80\x00\x14     WD-WX12A3456789",
            wwid="naa.50014ee2b1234567\n", device__model="WDC WD40EFRX\n", queue__rotational="1\n")
    | block("sdb", 0, removable="1\n") | block("sdc", 60_000_000, removable="1\n", ro="1\n")
    | block("nvme0n1", 2_000_409_264, device__serial="S5GX\n") | block("nvme0c0n1", 2_000_409_264)
    | block("md0", 8) | block("dm-0", 8) | block("sr0", 8), "x86_64")

VIRTUAL = machine(
    base(DEBIAN_12, "node", "6.1.0-41-amd64", 2_000_000)
    | {"/proc/cpuinfo": "processor\t: 0\nmodel name\t: QEMU Virtual CPU version 2.5+\n"}
    | block("vda", 41_943_040) | block("vdb", 2_097_152, serial="DATA0001"), "x86_64", "qemu")


def test_a_spark_of_any_maker_is_seen_by_its_os_and_its_gpu():
    seen = observe_hardware(SPARK)
    assert (seen.vendor_os, seen.architecture, seen.product) == (
        "dgx-os", "aarch64", "LENOVO 30KL0001US ThinkStation PGX")
    assert (seen.cpu_model, seen.cpu_threads) == ("Cortex-A725 + Cortex-X925", 20)
    assert seen.gpus == (PciGpu("000f:01:00.0", "2e12", "NVIDIA GB10"),)
    assert (seen.distribution, seen.distribution_version, seen.codename) == ("ubuntu", "24.04", "noble")
    assert (seen.memory_bytes, observe_virtualization(SPARK)) == (125_530_000 * 1024, "")
    assert seen.disks == (Disk("nvme0n1", 4_000_787_030_016, "S7ABNX0W100001", "eui.0025384a31404321",
                               "SAMSUNG MZALC4T0HBL1-00B07"),)


def test_a_workstation_has_its_cards_and_whole_disks_alone():
    seen = observe_hardware(WORKSTATION)
    assert seen.gpus == (PciGpu("0000:01:00.0", "2684", "NVIDIA GeForce RTX 4090"),
                         PciGpu("0000:02:00.0", "fff1", "NVIDIA device fff1"))
    assert seen.disks == (
        Disk("nvme0n1", 1_024_209_543_168, "S5GX"),
        Disk("sda", 4_000_787_030_016, "WD-WX12A3456789", "naa.50014ee2b1234567", "WDC WD40EFRX",
             rotational=True),
        Disk("sdc", 30_720_000_000, removable=True, read_only=True),
    )
    assert (seen.vendor_os, seen.cpu_threads) == ("", 2)


def test_the_loaded_driver_names_the_card_itself():
    files = WORKSTATION.files | {
        "/proc/driver/nvidia/gpus/0000:01:00.0/information":
            "Model: \t\t NVIDIA GeForce RTX 4090 D\nIRQ: 1\n"}
    assert observe_hardware(machine(files, "x86_64")).gpus[0].name == "NVIDIA GeForce RTX 4090 D"


def test_a_virtual_machine_without_cards_or_firmware_tables():
    seen = observe_hardware(VIRTUAL)
    assert (seen.gpus, seen.product, seen.codename) == ((), "", "bookworm")
    assert observe_virtualization(VIRTUAL) == "qemu"
    assert seen.disks == (Disk("vda", 21_474_836_480), Disk("vdb", 1_073_741_824, "DATA0001"))


def test_what_cannot_be_told_is_said_so():
    blind = machine(VIRTUAL.files, "x86_64")
    del blind.commands["systemd-detect-virt",]
    assert observe_virtualization(blind) == "unknown"
    for path in ("/proc/meminfo", "/proc/cpuinfo", "/etc/os-release"):
        files = {name: text for name, text in VIRTUAL.files.items() if name != path}
        with pytest.raises(Unobservable, match=path):
            observe_hardware(machine(files, "x86_64"))
    with pytest.raises(Unobservable, match="/proc/meminfo: has no line MemTotal"):
        observe_hardware(machine(VIRTUAL.files | {"/proc/meminfo": "MemFree: 1 kB\n"}, "x86_64"))


def test_serials_only_root_may_read_leave_the_disk_known():
    blind = machine(WORKSTATION.files, "x86_64")
    blind.errors["/sys/block/sda/device/vpd_pg80"] = Unobservable("permission denied")
    sda = observe_hardware(WORKSTATION).disks[1]
    assert observe_hardware(blind).disks[1] == replace(sda, serial="")


def test_this_machine_is_seen_as_python_sees_it():
    seen, system = observe_hardware(LocalMachine()), platform.uname()
    assert (seen.architecture, seen.kernel, seen.hostname) == (system.machine, system.release, system.node)
    assert seen.cpu_threads > 0 and seen.memory_bytes > 1 << 28
