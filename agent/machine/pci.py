"""NVIDIA display controllers on the PCI bus, as /sys shows them: no driver and no pci.ids file needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.model.errors import Missing
from agent.model.hardware import PciGpu

if TYPE_CHECKING:
    from agent.machine.api import Machine

_DEVICES = "/sys/bus/pci/devices"
_NVIDIA = "0x10de"
GIVEN_AWAY = ("vfio-pci", "pciback", "pci-stub")  # drivers that hold a card for a virtual machine

# Device id to the name the driver gives. Ids: pci.ids 2025.06.09, and the list of supported cards of NVIDIA's
# open kernel modules.
NAMES = {
    "1db1": "Tesla V100-SXM2-16GB", "1db4": "Tesla V100-PCIE-16GB", "1db5": "Tesla V100-SXM2-32GB",
    "1db6": "Tesla V100-PCIE-32GB", "1eb8": "Tesla T4",
    "20b0": "NVIDIA A100-SXM4-40GB", "20b2": "NVIDIA A100-SXM4-80GB", "20b5": "NVIDIA A100 80GB PCIe",
    "20b7": "NVIDIA A30", "20f1": "NVIDIA A100-PCIE-40GB",
    "2203": "NVIDIA GeForce RTX 3090 Ti", "2204": "NVIDIA GeForce RTX 3090",
    "2206": "NVIDIA GeForce RTX 3080",
    "2230": "NVIDIA RTX A6000", "2231": "NVIDIA RTX A5000", "2235": "NVIDIA A40", "2236": "NVIDIA A10",
    "2321": "NVIDIA H100 NVL", "2330": "NVIDIA H100 80GB HBM3", "2331": "NVIDIA H100 PCIe",
    "2335": "NVIDIA H200", "233b": "NVIDIA H200 NVL",
    "2342": "NVIDIA GH200 480GB", "2348": "NVIDIA GH200 144G HBM3e",
    "2684": "NVIDIA GeForce RTX 4090", "2685": "NVIDIA GeForce RTX 4090 D",
    "2702": "NVIDIA GeForce RTX 4080 SUPER", "2704": "NVIDIA GeForce RTX 4080",
    "26b1": "NVIDIA RTX 6000 Ada Generation", "26b2": "NVIDIA RTX 5000 Ada Generation",
    "26b5": "NVIDIA L40", "26b9": "NVIDIA L40S", "27b8": "NVIDIA L4",
    "2901": "NVIDIA B200", "2941": "NVIDIA GB200", "3182": "NVIDIA B300", "31c2": "NVIDIA GB300",
    "2b85": "NVIDIA GeForce RTX 5090", "2b87": "NVIDIA GeForce RTX 5090 D", "2c02": "NVIDIA GeForce RTX 5080",
    "2bb1": "NVIDIA RTX PRO 6000 Blackwell Workstation Edition",
    "2bb3": "NVIDIA RTX PRO 5000 Blackwell",
    "2bb4": "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition",
    "2bb5": "NVIDIA RTX PRO 6000 Blackwell Server Edition",
    "2e12": "NVIDIA GB10",
}


def observe_gpus(machine: Machine) -> tuple[PciGpu, ...]:
    """Return the NVIDIA VGA and 3D controllers (PCI class 03) by address; empty without a PCI bus."""
    try:
        addresses = machine.listing(_DEVICES)
    except Missing:
        return ()
    found = []
    for address in addresses:
        if _attribute(machine, address, "vendor") != _NVIDIA:
            continue
        if _attribute(machine, address, "class").startswith("0x03"):
            device_id = _attribute(machine, address, "device").removeprefix("0x").lower()
            found.append(PciGpu(address, device_id, _name(machine, address, device_id)))
    return tuple(found)


def bound_driver(machine: Machine, address: str) -> str:
    """Return the kernel driver that holds a device, empty when none does; raises Unobservable."""
    try:
        return machine.status(f"{_DEVICES}/{address}/driver").target.rpartition("/")[2]
    except Missing:
        return ""


def _attribute(machine: Machine, address: str, name: str) -> str:
    return machine.read(f"{_DEVICES}/{address}/{name}").strip()


def _name(machine: Machine, address: str, device_id: str) -> str:
    """Return the name the loaded driver gives, else that of our table, else the bare id."""
    try:
        lines = machine.read(f"/proc/driver/nvidia/gpus/{address}/information").splitlines()
    except Missing:
        lines = []
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == "Model" and value.strip() not in ("", "Unknown"):
            return value.strip()
    return NAMES.get(device_id, f"NVIDIA device {device_id}")
