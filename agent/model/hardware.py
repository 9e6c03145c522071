"""What a machine is: the facts a profile is chosen and sized by."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PciGpu:
    """An NVIDIA display or 3D controller on the PCI bus. Ids are four hex digits, lower case."""

    address: str
    device_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Disk:
    """A whole block device. `size_bytes` as the kernel gives it; serial/wwn empty when the device has none."""

    name: str
    size_bytes: int
    serial: str = ""
    wwn: str = ""
    model: str = ""
    rotational: bool = False
    removable: bool = False
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Hardware:
    """The machine in one value. `architecture` is `uname -m` (x86_64, aarch64).

    `vendor_os` is "dgx-os" when the vendor manages driver, CUDA and toolkit, else "". `virtualization` (kvm, docker, …)
    is asked for where it is shown (App.described): nothing is judged by it.
    """

    hostname: str
    architecture: str
    cpu_model: str
    cpu_threads: int
    memory_bytes: int
    distribution: str
    distribution_version: str
    codename: str
    kernel: str
    vendor_os: str
    virtualization: str
    product: str
    gpus: tuple[PciGpu, ...]
    disks: tuple[Disk, ...]
