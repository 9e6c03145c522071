"""Each GPU is cooler than its own limit, and so is its memory."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent.check import Check, Outcome, failed, passed, warned
from agent.model.finding import Remedy
from checks.gpu import each_gpu, observe, shown, unanswered

if TYPE_CHECKING:
    from agent.machine.gpu import Cards
    from agent.model.gpu import Gpu
    from agent.model.profile import Temperature
    from agent.model.resolved import ResolvedProfile


WARN_MARGIN_C = 3
# A margin counts down to 0 at the highest operating temperature. Some H100 report 0 when cool: not believed there.
BELIEVED_FROM_C = 70
LOWEST_LIMIT_C = 60  # what lies below is an offset or a zero, not a limit
# Where a card tells no limit: (warn, fail) in °C. GB10: reports of owners. 5090, L40S, Hopper: sum of temperature
# and margin in captures. Others: the articles' alarm at 85 °C.
FIGURES = ((r"GB10", 85, 95), (r"RTX 5090", 90, 95), (r"RTX 3090", 93, 95), (r"H200|GH200", 87, 89),
           (r"H100|A100", 85, 89), (r"L40S|B200|B300", 88, 90), (r"", 85, 95))
MEMORY_WARN_C, MEMORY_OVER_C = 95, 10  # fail this much above the limit


def judge(seen: Cards, profile: ResolvedProfile) -> list[Outcome]:
    """Margin where the card speaks margin, else its thresholds, the profile's, ours; the median of several samples."""
    own = profile.profile.gpu.temperature
    return each_gpu(seen, lambda gpu: [_judge(gpu, own), *_judge_memory(gpu)])


def _judge(gpu: Gpu, own: Temperature) -> Outcome:
    temperature = gpu.number("temperature_c")
    if not isinstance(temperature, int):
        return unanswered(gpu, temperature, "temperature")
    temperature, margin = _middle(gpu.samples("temperature_c")), gpu.number("margin_c")
    evidence = shown(gpu, "temperature_c", "margin_c", "threshold_gpu_max_c", "threshold_slowdown_c", "samples")
    if isinstance(margin, int) and (margin > 0 or temperature >= BELIEVED_FROM_C):
        margin, slowdown = _middle(gpu.samples("margin_c")), gpu.number("slowdown_margin_c")
        limit = slowdown if isinstance(slowdown, int) and slowdown <= 0 else -2
        where = f"{margin} °C below" if margin > 0 else f"{-margin} °C above" if margin else "at"
        text, wanted = f"{temperature} °C, {where} its limit", f"more than {WARN_MARGIN_C} °C below"
        say = failed if margin <= limit else warned if margin <= WARN_MARGIN_C else passed
    else:
        warn_c, fail_c, whose = _limits(gpu, own)
        text, wanted = f"{temperature} °C, {whose} {warn_c} °C", f"below {warn_c} °C"
        say = failed if temperature >= fail_c else warned if temperature >= warn_c else passed
    return say(f"{gpu.label}: {text}.", subject=gpu.subject, seen=f"{temperature} °C", expected=wanted,
               evidence=evidence)


def _middle(samples: tuple[int, ...]) -> int:
    """Return the median (the higher one of two): neither a spike nor the first moment of a rise."""
    return sorted(samples)[len(samples) // 2]


def _limits(gpu: Gpu, own: Temperature) -> tuple[int, int, str]:
    """Return (warn, fail, whose): the card's own maximum and slowdown, or the profile's, or our figures for it."""
    highest, slowdown = gpu.number("threshold_gpu_max_c"), gpu.number("threshold_slowdown_c")
    if isinstance(highest, int) and highest >= LOWEST_LIMIT_C:
        told = isinstance(slowdown, int) and slowdown > highest
        return highest, slowdown if told and isinstance(slowdown, int) else highest + 3, "its maximum is"
    warn_c, fail_c = next((warn, fail) for regex, warn, fail in FIGURES if re.search(regex, gpu.name))
    if own.warn_c is not None:
        return own.warn_c, own.fail_c or max(fail_c, own.warn_c + 1), "it tells no maximum, the profile says"
    if own.fail_c is not None:
        return min(warn_c, own.fail_c - 1), own.fail_c, "it tells no maximum, the profile says"
    return warn_c, fail_c, "it tells no maximum, we take"


def _judge_memory(gpu: Gpu) -> list[Outcome]:
    """Say something about the memory's temperature only where the card has a sensor for it."""
    temperature, told = gpu.number("memory_temperature_c"), gpu.number("threshold_memory_max_c")
    if not isinstance(temperature, int):
        return []
    own = isinstance(told, int) and told >= LOWEST_LIMIT_C
    limit, whose = (told, "its maximum is") if own and isinstance(told, int) else (MEMORY_WARN_C, "we take")
    evidence = shown(gpu, "memory_temperature_c", "threshold_memory_max_c")
    say = failed if temperature >= limit + MEMORY_OVER_C else warned if temperature >= limit else passed
    return [say(f"{gpu.label}: memory at {temperature} °C, {whose} {limit} °C.",
                subject=f"{gpu.subject} memory", seen=f"{temperature} °C", expected=f"below {limit} °C",
                evidence=evidence)]


CHECK = Check(
    title="GPU temperature",
    why="At its limit a GPU slows down, above it switches off; heat at rest means dust, a dead fan or no air.",
    observe=observe,
    judge=judge,
    remedy=Remedy(steps=("Look for blocked air, dust and stopped fans; measure the air that goes in.",
                         "Until that is repaired, lower the clocks as root: nvidia-smi -lgc 0,2000",
                         "If it stays hot at rest: the cooler lost contact, return the card.")),
)
