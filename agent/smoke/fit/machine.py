"""How much memory this machine has for a model."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.machine.gpu import gpu_memory, observe_cards
from agent.model.errors import Unobservable
from agent.model.gpu import GpuMemory
from agent.model.units import GIB, format_size

if TYPE_CHECKING:
    from agent.machine.api import Machine

SHARE = 0.92  # of a card's own memory that a job may fill; vLLM's default is 0.90 to 0.95
UNIFIED_KEPT_BYTES = 12 * GIB  # for the system: a GB10 whose memory is full wedges instead of killing
HOST_SHARE = 0.85


@dataclass(frozen=True, slots=True)
class Room:
    """Memory for a model: `each` bytes usable on each of `count` devices; `words` says of what kind.

    `devices` is False for host memory, of which there cannot be more.
    """

    each: int
    count: int
    words: str
    unified: bool = False
    host_bytes: int = 0
    devices: bool = True


def observe_room(machine: Machine) -> Room:
    """Return the room on this machine: its GPUs', or the host's where there is none. Raises Unobservable."""
    found = re.search(r"^MemTotal:\s+(\d+) kB", machine.read("/proc/meminfo"), re.MULTILINE)
    if found is None:
        raise Unobservable("/proc/meminfo has no line MemTotal")
    host = int(found[1]) << 10
    cards = observe_cards(machine)
    gpus = cards.view.gpus if cards.view else ()
    if not gpus and cards.pci:
        raise Unobservable("the GPUs do not answer, so their memory is not known",
                           "see: firstlight check --only gpu; or name a size: --memory 24G")
    if not gpus:
        words = f"no GPU; {format_size(host)} of host memory"
        return Room(int(HOST_SHARE * host), 1, words, host_bytes=host, devices=False)
    seen = [gpu_memory(gpu, machine) for gpu in gpus]
    known = [memory for memory in seen if isinstance(memory, GpuMemory)]
    if len(known) < len(seen):
        raise Unobservable("the memory of a GPU is not known", "name a size: --memory 24G")
    if known[0].unified:
        total = known[0].total_bytes
        return Room(max(0, total - UNIFIED_KEPT_BYTES), 1,
                    f"{gpus[0].name}, {format_size(total)} shared with the host", unified=True, host_bytes=host)
    least = min(memory.total_bytes for memory in known)
    count = f"{len(gpus)} x " if len(gpus) > 1 else ""
    return Room(int(SHARE * least), len(gpus), f"{count}{gpus[0].name} with {format_size(least)}", host_bytes=host)


def named_room(memory_bytes: int, count: int) -> Room:
    """Return the room of cards that somebody names instead of this machine's."""
    return Room(int(SHARE * memory_bytes), count, f"{count} x {format_size(memory_bytes)} as named")
