"""How much memory each GPU has; on unified memory that is the host's."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, failed, passed, unknown, warned
from agent.machine.gpu import gpu_memory, observe_cards
from agent.model.finding import Evidence, Remedy
from agent.model.gpu import GpuMemory, NotSupported, Reading, Unread
from agent.model.units import format_size
from checks.gpu import each_gpu, shown

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.machine.gpu import Cards
    from agent.model.gpu import Gpu
    from agent.model.resolved import ResolvedProfile

WARN_FREE, FAIL_FREE = 0.05, 0.02  # share of unified memory: below, the whole machine is in danger


class Seen(NamedTuple):
    """The cards and, by index, what memory each has."""

    cards: Cards
    memory: dict[int, Reading[GpuMemory]]


def observe(machine: Machine, profile: ResolvedProfile) -> Seen:
    """Ask NVML, and /proc/meminfo for a GPU that shares the host's memory."""
    cards = observe_cards(machine)
    gpus = cards.view.gpus if cards.view else ()
    return Seen(cards, {gpu.index: gpu_memory(gpu, machine) for gpu in gpus})


def judge(seen: Seen, profile: ResolvedProfile) -> list[Outcome]:
    """Pass with the figures; a full card is a busy card, but full unified memory stops the machine."""
    return each_gpu(seen.cards, lambda gpu: [_judge(gpu, seen.memory[gpu.index])])


def _judge(gpu: Gpu, memory: Reading[GpuMemory]) -> Outcome:
    if isinstance(memory, NotSupported | Unread):
        return unknown(f"{gpu.label}: its memory is not known: {memory.reason}.", subject=gpu.subject)
    free, total = format_size(memory.free_bytes), format_size(memory.total_bytes)
    held = "" if memory.used_bytes is None else f", {format_size(memory.used_bytes)} held by GPU processes"
    if not memory.unified:
        return passed(f"{gpu.label}: {free} of {total} free.", subject=gpu.subject, seen=f"{free} free",
                      evidence=shown(gpu, "memory_bytes"))
    text = f"{gpu.label}: unified memory, shared with the host: {free} of {total} available{held}"
    evidence = [Evidence("/proc/meminfo", (f"MemAvailable {memory.free_bytes >> 10} kB",))]
    share = memory.free_bytes / memory.total_bytes
    if share < WARN_FREE:
        say = failed if share < FAIL_FREE else warned
        return say(f"{text}: nearly none is left.", subject=gpu.subject, seen=f"{free} available",
                   expected=f"at least {WARN_FREE:.0%}", evidence=evidence)
    return passed(f"{text}.", subject=gpu.subject, seen=f"{free} available", evidence=evidence)


CHECK = Check(
    title="GPU memory",
    why="On unified memory NVML answers \"not supported\" and CUDA counts page cache as used: only the host knows what "
        "is free.",
    observe=observe,
    judge=judge,
    remedy=Remedy(steps=("See who holds the memory: nvidia-smi, and ps aux --sort=-rss | head",
                         "Stop or shrink that job: no limit of a container or slice holds GPU memory here.")),
)
