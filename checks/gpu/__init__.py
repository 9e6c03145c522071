"""The GPUs as NVML and the PCI bus show them.

What the checks of this area share: they all look at the same `Cards`, and say the same when NVML or a card is
silent. Only gpu.responds and gpu.presence call that a fault; to the others it is unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.check import Outcome, not_applicable, unknown
from agent.machine.gpu import Cards, observe_cards
from agent.model.finding import Evidence
from agent.model.gpu import Gpu, NotSupported, Unread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile

BUSY_PERCENT, LOW = 90, 0.5  # share of the maximum clock: healthy GB10 2400 of 3003 MHz under load, stuck ones 500-850
COMPUTE_STATES = (0, 1, 2)  # GeForce computes in P2
# nvml.h, nvmlClocksEventReasons: what explains a low clock; see gpu.throttle
REASONS = ((0x2, "locked by a setting"), (0x4, "at its power limit"), (0x8, "slowed by the hardware"),
           (0x20, "at its highest temperature"), (0x40, "too hot (hardware)"), (0x80, "power brake"))
HELD_DOWN = sum(bit for bit, _ in REASONS)
SAMPLE = (("gpu_percent", "{} % busy"), ("pstate", "P{}"), ("clock_sm_mhz", "SM {} MHz"), ("temperature_c", "{} °C"),
          ("margin_c", "margin {} °C"), ("pcie_generation", "PCIe generation {}"))
NO_GPU = "There is no NVIDIA GPU on the PCI bus."


def observe(machine: Machine, profile: ResolvedProfile) -> Cards:
    """Look at the PCI bus, and at NVML where it promises something."""
    return observe_cards(machine)


def each_gpu(seen: Cards, judge_gpu: Callable[[Gpu], Iterable[Outcome]]) -> list[Outcome]:
    """Return what `judge_gpu` says about every card that answers; why there is nothing to judge otherwise."""
    view = seen.view
    if view is None or (not seen.pci and not view.gpus):
        return [not_applicable(NO_GPU)]
    if view.failure:
        return [unknown(f"NVML cannot be asked: {view.failure}. See gpu.responds.")]
    if not view.gpus:
        silence = f"did not return from {view.hung_in}" if view.hung_in else \
            f"crashed in {view.died_in}" if view.died_in else "shows no GPU"
        return [unknown(f"NVML {silence}. See gpu.responds.")]
    unasked = [gpu for gpu in view.gpus if gpu.silence and not gpu.readings and not gpu.lost_code]
    outcomes: list[Outcome] = []
    if unasked:
        first = unasked[0].label if len(unasked) == 1 else f"{len(unasked)} of {len(view.gpus)} GPUs"
        outcomes.append(unknown(f"{first} could not be asked: {unasked[0].silence}. See gpu.responds."))
    for gpu in view.gpus:
        if gpu in unasked:
            continue
        if gpu.lost_code:
            outcomes.append(unknown(f"{gpu.label} does not answer: {gpu.lost}. See gpu.responds.",
                                    subject=gpu.subject))
        else:
            outcomes += judge_gpu(gpu)
    return outcomes


def unanswered(gpu: Gpu, seen: NotSupported | Unread, what: str, why: str = "") -> Outcome:
    """Return not-applicable for what the card does not have (`why` says so better), unknown for what was not told."""
    if isinstance(seen, NotSupported):
        return not_applicable(f"{gpu.label}: no {what}: {why or seen.reason}.", subject=gpu.subject)
    return unknown(f"{gpu.label}: the {what} could not be read: {seen.reason}.", subject=gpu.subject)


def shown(gpu: Gpu, *names: str) -> list[Evidence]:
    """Return the readings as NVML gave them."""
    lines = [f"{name} = {value}" for name in names if name != "samples"
             and not isinstance(value := gpu.reading(name), NotSupported | Unread)]
    samples = gpu.reading("samples")
    if "samples" in names and isinstance(samples, list):
        lines += [f"again: {sample_text(sample)}" for sample in samples]
    return [Evidence(f"NVML, GPU {gpu.index}", tuple(lines))]


def sample_text(sample: dict[str, Any]) -> str:
    """Return one repeated look in words; what was not told is left out."""
    words = [text.format(value) for name, text in SAMPLE if (value := sample.get(name)) is not None]
    power, reasons = sample.get("power_mw"), sample.get("event_reasons")
    if power is not None:
        words.append(f"{power / 1000:.0f} W")
    if reasons is not None:
        words.append(f"event reasons {reasons:#x}")
    return ", ".join(words)
