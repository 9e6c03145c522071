"""The rows about GPUs on the machine's card, and the same as plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.model.gpu import GpuMemory, NotSupported, Unread
from agent.model.units import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.model.gpu import Gpu, Graphics
    from agent.model.hardware import Hardware, PciGpu

_NVLINKS = 18
_ADDRESSES_SHOWN = 2


def gpu_rows(hardware: Hardware, graphics: Graphics) -> Iterator[tuple[str, str]]:
    """Yield (label, text): the cards, equal ones together; links, driver and CUDA."""
    gpus = graphics.view.gpus if graphics.view else ()
    told = {gpu.address for gpu in gpus if gpu.name}
    if not hardware.gpus and not gpus:
        yield "GPU", "no NVIDIA GPU on the PCI bus"
    kinds: dict[tuple[str, str], list[Gpu]] = {}
    for gpu in gpus:
        if gpu.name:
            kinds.setdefault((gpu.name, _traits(gpu, graphics)), []).append(gpu)
    for (name, traits), same in kinds.items():
        kind = f"{len(same)} x {name}, each {traits}" if len(same) > 1 else f"{name}, {traits}"
        yield "GPU", kind + _place(same)
    for card in hardware.gpus:
        if card.address not in told:
            yield "GPU", _silent(card)
    links = dict.fromkeys(text for gpu in gpus if (text := _links(gpu)))
    if links:
        yield "links", "; ".join(links)
    if gpus or hardware.gpus or graphics.driver:
        yield "driver", _driver(graphics)
    if graphics.toolkits:
        yield "CUDA", _toolkits(graphics)


def _traits(gpu: Gpu, graphics: Graphics) -> str:
    """Return what equal cards have in common."""
    capability, slices = gpu.numbers("compute_capability", 2), gpu.reading("mig_devices")
    parts = [_size(graphics.memory.get(gpu.index))]
    if isinstance(capability, tuple):
        parts.append(f"compute capability {capability[0]}.{capability[1]}")
    if isinstance(slices, list) and slices:
        parts.append(f"in {len(slices)} MIG slices")
    return ", ".join(parts)


def _size(memory: object) -> str:
    if not isinstance(memory, GpuMemory):
        return "memory not known"
    return "memory shared with the CPU" if memory.unified else format_size(memory.total_bytes)


def _place(gpus: list[Gpu]) -> str:
    known = [gpu.address for gpu in gpus if gpu.address]
    return f", at {' and '.join(known)}" if known and len(gpus) <= _ADDRESSES_SHOWN else ""


def _silent(card: PciGpu) -> str:
    return f"{card.name or 'unnamed'} [10de:{card.device_id}] at {card.address}"


def _links(gpu: Gpu) -> str:
    """Return NVLink and PCIe in words; empty for a GPU that is part of the chip."""
    width, generation = gpu.number("pcie_max_width"), gpu.number("pcie_max_generation")
    up = sum(gpu.number(f"nvlink_{link}") == 1 for link in range(_NVLINKS))
    told = [f"NVLink, {up} links each"] if up else []
    if isinstance(width, int) and isinstance(generation, int) and width > 1:
        told.append(f"PCIe generation {generation} x{width}")
    return ", ".join(told)


def _driver(graphics: Graphics) -> str:
    view = graphics.view
    flavour = f", {graphics.flavour} kernel module" if graphics.flavour else ""
    version = graphics.driver or (view.driver_version if view else "")
    if graphics.silence:
        return f"{version or 'not known'}{flavour}; not everything could be looked at: {graphics.silence}"
    name = f"{version}{flavour}" if version else "none is loaded"
    if view is None:
        return name
    if view.failure:
        return f"{name}; it does not answer: {view.failure}" if version else f"does not answer: {view.failure}"
    if view.hung_in or view.died_in:
        return f"{name}; NVML {f'does not return from {view.hung_in}' if view.hung_in else f'dies in {view.died_in}'}"
    return f"{name}{f', runs programs up to CUDA {view.cuda_version}' if view.cuda_version else ''}"


def _toolkits(graphics: Graphics) -> str:
    chosen = graphics.chosen_toolkit
    told = [f"{version} (chosen by /usr/local/cuda)" if version == chosen else version
            for version in graphics.toolkits]
    return f"toolkit {', '.join(told)}" if len(told) == 1 else f"toolkits {', '.join(told)}"


def plain_graphics(graphics: Graphics) -> dict[str, Any]:
    """Return the same for JSON: null is "not told", the reason stands beside it."""
    view = graphics.view
    return {
        "driver": graphics.driver or (view.driver_version if view else "") or None,
        "flavour": graphics.flavour or None,
        "cuda": (view.cuda_version if view else "") or None,
        "unified_memory": graphics.unified,
        "toolkits": list(graphics.toolkits), "chosen_toolkit": graphics.chosen_toolkit or None,
        "problem": graphics.silence or (view.failure or view.hung_in or view.died_in if view else "") or None,
        "gpus": [_plain(gpu, graphics) for gpu in (view.gpus if view else ())],
    }


def _plain(gpu: Gpu, graphics: Graphics) -> dict[str, Any]:
    memory, capability = graphics.memory.get(gpu.index), gpu.numbers("compute_capability", 2)
    known = memory if isinstance(memory, GpuMemory) else None
    return {
        "index": gpu.index, "uuid": gpu.uuid, "name": gpu.name, "address": gpu.address, "problem": gpu.lost or None,
        "compute_capability": ".".join(map(str, capability)) if isinstance(capability, tuple) else None,
        "memory_bytes": known.total_bytes if known else None,
        "memory_reason": memory.reason if isinstance(memory, NotSupported | Unread) else None,
        "unified": known.unified if known else None, "links": _links(gpu) or None,
    }
