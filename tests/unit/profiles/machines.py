"""Machines to choose profiles for."""

from __future__ import annotations

from dataclasses import replace

from agent.model.hardware import Disk, Hardware, PciGpu

GIB = 1 << 30
BARE = Hardware(
    hostname="box", architecture="x86_64", cpu_model="AMD Ryzen 9 7950X", cpu_threads=32, memory_bytes=64 * GIB,
    distribution="debian", distribution_version="12", codename="bookworm", kernel="6.1.0-49-amd64", vendor_os="",
    virtualization="", product="", gpus=(), disks=(),
)
RTX4090 = PciGpu("0000:01:00.0", "2684", "AD102 [GeForce RTX 4090]")
GB10 = PciGpu("000f:01:00.0", "2e12", "GB20B [GB10]")
H100 = PciGpu("0000:17:00.0", "2330", "GH100 [H100 SXM5 80GB]")
UNNAMED = PciGpu("0000:01:00.0", "ffff", "Device ffff")
NVME = Disk("nvme1n1", 2_000_398_934_016, serial="S6Z2NJ0T123456", model="Samsung SSD 990 PRO 2TB")


def with_gpus(*gpus: PciGpu) -> Hardware:
    return replace(BARE, gpus=gpus)


SPARK = replace(BARE, architecture="aarch64", memory_bytes=119 * GIB, distribution="ubuntu",
                distribution_version="24.04", codename="noble", vendor_os="dgx-os", gpus=(GB10,))
