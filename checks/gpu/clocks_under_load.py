"""Under full load of our own, every idle GPU reaches a clock worth the name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from agent.check import Check, Level, Outcome, failed, not_applicable, passed, unknown, warned
from agent.machine.gpu import observe_cards
from agent.machine.gpu_under_load import UnderLoad, observe_under_load
from agent.model.finding import Evidence, Remedy
from checks.gpu import BUSY_PERCENT, HELD_DOWN, LOW, REASONS, each_gpu, sample_text, unanswered

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.machine.gpu import Cards
    from agent.model.gpu import Gpu
    from agent.model.resolved import ResolvedProfile

LOAD_S = 9.0
TRUST_BELOW_PERCENT = 10
BENIGN = 0x2 | 0x4  # somebody's setting, and the power limit


class Seen(NamedTuple):
    """The cards at first, and under load; None when none could be loaded."""

    cards: Cards
    load: UnderLoad | None


def observe(machine: Machine, profile: ResolvedProfile) -> Seen:
    """Load the cards that nobody uses; a user's job is never disturbed."""
    cards = observe_cards(machine)
    free = [gpu.address for gpu in (cards.view.gpus if cards.view else ()) if not _obstacle(gpu)]
    return Seen(cards, observe_under_load(machine, free, LOAD_S) if free else None)


def judge(seen: Seen, profile: ResolvedProfile) -> list[Outcome]:
    """Fail for a low clock in every sample without a reason, warn for one held down by heat or power supply."""
    return each_gpu(seen.cards, lambda gpu: [_judge(gpu, seen.load)])


def _obstacle(gpu: Gpu) -> str:
    """Return why a card is not to be loaded; empty when nothing is against it."""
    processes, load, mig = gpu.reading("compute_processes"), gpu.reading("utilization_percent"), gpu.numbers("mig", 2)
    if gpu.lost_code or not gpu.address:
        return "it cannot be reached"
    if isinstance(mig, tuple) and mig[0]:
        return "it is divided by MIG"
    if not isinstance(processes, list) or not isinstance(load, list):
        return "it does not tell whether it is in use"
    if processes:
        return f"{len(processes)} process{'es' if len(processes) > 1 else ''} use it"
    return f"it is {load[0]} % busy" if load[0] >= TRUST_BELOW_PERCENT else ""


def _judge(gpu: Gpu, load: UnderLoad | None) -> Outcome:
    highest = gpu.number("clock_sm_max_mhz")
    if not isinstance(highest, int):
        return unanswered(gpu, highest, "highest SM clock")
    obstacle = _obstacle(gpu)
    if "MIG" in obstacle:
        return not_applicable(f"{gpu.label}: {obstacle}.", subject=gpu.subject)
    if obstacle or load is None:
        return unknown(f"{gpu.label} was not loaded: {obstacle}.", subject=gpu.subject, remedy=LATER)
    if refusal := load.refusal(gpu.address):
        return unknown(f"{gpu.label} could not be loaded: {refusal}.", subject=gpu.subject)
    if load.silence:
        return unknown(f"{gpu.label}: NVML fell silent under load: {load.silence}. See gpu.responds.",
                       subject=gpu.subject)
    busy = [sample for sample in load.samples(gpu.index) if (sample.get("gpu_percent") or 0) >= BUSY_PERCENT
            and isinstance(sample.get("clock_sm_mhz"), int)]
    if not busy:
        return unknown(f"{gpu.label}: our load did not make it busy.", subject=gpu.subject)
    return _judge_samples(gpu, busy, highest)


def _judge_samples(gpu: Gpu, busy: list[dict[str, Any]], highest: int) -> Outcome:
    best, lasting = max(sample["clock_sm_mhz"] for sample in busy), HELD_DOWN
    for sample in busy:
        lasting &= sample.get("event_reasons") or 0
    told, limit = f"{best} of {highest} MHz", f"at least {LOW * highest:.0f} MHz"
    evidence = [Evidence(f"NVML, GPU {gpu.index}, under load", tuple(map(sample_text, busy)))]
    names = ", ".join(name for bit, name in REASONS if lasting & bit)
    if best >= LOW * highest or lasting & BENIGN:
        return passed(f"{gpu.label}: {told} under load{f' ({names})' if names else ''}.", subject=gpu.subject,
                      seen=told, expected=limit, evidence=evidence)
    if lasting:
        return warned(f"{gpu.label}: only {told} under load: {names}. See gpu.throttle.", subject=gpu.subject,
                      seen=told, expected=limit, evidence=evidence)
    return failed(f"{gpu.label}: only {told} under full load, and it gives no reason.", subject=gpu.subject,
                  seen=told, expected=limit, evidence=evidence)


LATER = Remedy(steps=("Check again when the GPU is free: firstlight check --level deep --only gpu.clocks-under-load",))
CHECK = Check(
    title="Clock under load",
    why="GB10 machines can get stuck at a third of their clock, without any throttle reason, until their power is "
        "taken away.",
    observe=observe,
    judge=judge,
    level=Level.DEEP,
    timeout_s=70.0,
    remedy=Remedy(steps=("Shut down, unplug the power (also at the wall) for a minute, start again.",
                         "If it comes back: update the firmware (fwupdmgr), then return the machine.")),
)
