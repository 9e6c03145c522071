"""What `detect` advises besides the GPUs."""

from __future__ import annotations

import dataclasses

from agent.model.gpu import GpuMemory, Graphics
from agent.model.hardware import Disk, Hardware, PciGpu
from agent.model.units import GIB
from agent.report.shortages import find_shortages

CARD = PciGpu("0000:01:00.0", "2684", "GeForce RTX 4090")
NVME = Disk("nvme0n1", 1_000_204_886_016)
HOST = Hardware("box", "x86_64", "CPU", 32, 47 * GIB, "debian", "12", "bookworm", "6.1", "", "", "", (CARD,), (NVME,))


def graphics(*sizes_bytes: int, unified: bool = False) -> Graphics:
    return Graphics(None, memory={n: GpuMemory(size, 0, size, unified) for n, size in enumerate(sizes_bytes)})


def test_memory_as_sold_that_is_twice_the_cards_is_enough():
    assert find_shortages(HOST, graphics(24 * GIB)) == ()


def test_less_memory_than_twice_that_of_all_cards_is_told_with_what_it_should_be():
    assert find_shortages(HOST, graphics(24 * GIB, 24 * GIB)) == (
        "twice the GPUs' memory is advised for the host: 96 GiB; it has 47 GiB",)


def test_memory_that_the_gpu_shares_is_not_asked_for_twice():
    assert find_shortages(HOST, graphics(120 * GIB, unified=True)) == ()


def test_only_a_disk_that_is_fast_and_stays_counts():
    slow = (Disk("sda", 8 * 10**12, rotational=True), Disk("sdb", 4 * 10**12, removable=True))
    none, small = (dataclasses.replace(HOST, disks=disks) for disks in (slow, (*slow, Disk("nvme0n1", 512 * GIB))))
    assert find_shortages(none, graphics()) == (
        "an NVMe disk of 1 TB is advised for models and images; there is none",)
    assert find_shortages(small, graphics()) == (
        "an NVMe disk of 1 TB is advised for models and images; the largest has 512 GiB",)


def test_a_machine_without_a_gpu_is_advised_nothing():
    assert find_shortages(dataclasses.replace(HOST, gpus=(), disks=()), graphics()) == ()
