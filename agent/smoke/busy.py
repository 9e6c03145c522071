"""Whether a GPU is free: a smoke job never disturbs somebody's work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.model.gpu import Gpu, NotSupported, Unread
from agent.model.units import MIB, format_size

if TYPE_CHECKING:
    from agent.machine.api import Machine

GRAPHICS_BYTES = 1024 * MIB  # a desktop that also computes is listed under both kinds and holds less


def find_work(gpu: Gpu, machine: Machine) -> str:
    """Return whose work is on a GPU in one sentence, or that it could not be told; empty when it is free."""
    compute = gpu.reading("compute_processes")
    if isinstance(compute, NotSupported):
        return ""
    if isinstance(compute, Unread) or not isinstance(compute, list):
        reason = compute.reason if isinstance(compute, Unread) else "damaged answer"
        return f"whether {gpu.label} is free cannot be told: {reason}"
    graphics = gpu.reading("graphics_processes")
    drawing = {pid for pid, _ in graphics} if isinstance(graphics, list) else set()
    work = [(pid, held or 0) for pid, held in compute if pid not in drawing or (held or 0) > GRAPHICS_BYTES]
    if not work:
        return ""
    words = ", ".join(f"{_name(machine, pid)} ({pid}) holds {format_size(held)}" for pid, held in work[:3])
    more = f" and {len(work) - 3} more" if len(work) > 3 else ""
    return f"{gpu.label} is at work: {words}{more}"


def _name(machine: Machine, pid: int) -> str:
    from agent.model.errors import Unobservable

    try:
        return machine.read(f"/proc/{pid}/comm").strip() or "a process"
    except Unobservable:
        return "a process"
