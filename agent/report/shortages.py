"""What a machine with GPUs has too little of besides them, for models to pass through and to lie on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.model.gpu import GpuMemory
from agent.model.units import format_size

if TYPE_CHECKING:
    from agent.model.gpu import Graphics
    from agent.model.hardware import Hardware

TIMES_GPU_MEMORY = 2
DISK_BYTES = 960 * 10**9  # the smallest that is sold as 1 TB
ENOUGH = 0.95  # firmware and kernel keep some of the memory for themselves


def find_shortages(hardware: Hardware, graphics: Graphics) -> tuple[str, ...]:
    """Return advice in phrases; empty without a GPU, or with memory twice the GPUs' and a fast disk of 1 TB.

    Memory that GPU and CPU share is not asked for twice.
    """
    if not hardware.gpus and not (graphics.view and graphics.view.gpus):
        return ()
    own = sum(seen.total_bytes for seen in graphics.memory.values() if isinstance(seen, GpuMemory) and not seen.unified)
    found = []
    if hardware.memory_bytes < ENOUGH * TIMES_GPU_MEMORY * own:
        found.append(f"twice the GPUs' memory is advised for the host: {format_size(TIMES_GPU_MEMORY * own)}; "
                     f"it has {format_size(hardware.memory_bytes)}")
    fast = [disk.size_bytes for disk in hardware.disks if not disk.rotational and not disk.removable]
    if max(fast, default=0) < DISK_BYTES:
        has = f"the largest has {format_size(max(fast))}" if fast else "there is none"
        found.append(f"an NVMe disk of 1 TB is advised for models and images; {has}")
    return tuple(found)
