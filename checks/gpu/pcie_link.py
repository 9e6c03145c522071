"""The link to the card has its full width at any time, and its full speed under load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.check import Check, Outcome, not_applicable, passed, warned
from agent.machine.gpu import is_integrated
from agent.model.finding import Remedy
from checks.gpu import each_gpu, observe, shown, unanswered

if TYPE_CHECKING:
    from agent.machine.gpu import Cards
    from agent.model.gpu import Gpu
    from agent.model.resolved import ResolvedProfile


BUSY_PERCENT = 50
COMPUTE_STATES = (0, 1, 2)  # GeForce computes in P2


def judge(seen: Cards, profile: ResolvedProfile) -> list[Outcome]:
    """Width below the maximum of card and slot always warns; generation only in every sample of a busy card."""
    return each_gpu(seen, lambda gpu: [_judge(gpu)])


def _judge(gpu: Gpu) -> Outcome:
    if is_integrated(gpu):
        return not_applicable(f"{gpu.label}: no PCIe link; it shares a chip with the CPU (NVML's generation and width "
                              "are placeholders).", subject=gpu.subject)
    link = [gpu.number(f"pcie_{name}") for name in ("width", "max_width", "generation", "max_generation")]
    for seen in link:
        if not isinstance(seen, int):
            return unanswered(gpu, seen, "PCIe link")
    width, max_width, generation, max_generation = (seen for seen in link if isinstance(seen, int))
    if max_width <= 1:
        return not_applicable(f"{gpu.label}: NVML gives placeholders for its link.", subject=gpu.subject)
    told, full = f"generation {generation} x{width}", f"generation {max_generation} x{max_width}"
    evidence = shown(gpu, "pcie_generation", "pcie_width", "pcie_max_generation", "pcie_max_width", "pcie_replays",
                     "samples")
    if width < max_width:
        return warned(f"{gpu.label}: its link has {width} of {max_width} lanes.", subject=gpu.subject, seen=told,
                      expected=full, evidence=evidence)
    if generation < max_generation and _always_slow(gpu, max_generation):
        return warned(f"{gpu.label}: under load its link stays at generation {generation} of {max_generation}.",
                      subject=gpu.subject, seen=told, expected=full, evidence=evidence)
    rest = f", rests at generation {generation}" if generation < max_generation else ""
    return passed(f"{gpu.label}: PCIe {full}{rest}.", subject=gpu.subject, seen=told, expected=full,
                  evidence=evidence)


def _always_slow(gpu: Gpu, max_generation: int) -> bool:
    """Return whether every one of several samples shows a busy card on a slow link."""
    samples = gpu.reading("samples")
    if not isinstance(samples, list) or not samples:
        return False
    return all((sample.get("gpu_percent") or 0) >= BUSY_PERCENT and sample.get("pstate") in COMPUTE_STATES
               and (sample.get("pcie_generation") or max_generation) < max_generation for sample in samples)


CHECK = Check(
    title="PCIe link",
    why="A card with half its lanes loads models and feeds data at half the speed. Links rest at a low generation: "
        "that is no fault.",
    observe=observe,
    judge=judge,
    remedy=Remedy(steps=("Shut down; reseat the card and its riser cable; look for dirt on the contacts.",
                         "See in the mainboard's manual which slots share lanes.",
                         "Set the slot's generation and width to automatic in the firmware.")),
)
