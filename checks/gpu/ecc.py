"""Memory errors, and whether they are looked for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent.check import Check, Outcome, failed, passed, warned
from agent.model.finding import Evidence, Remedy
from checks.gpu import each_gpu, observe, shown, unanswered

if TYPE_CHECKING:
    from agent.machine.gpu import Cards
    from agent.model.gpu import Gpu
    from agent.model.resolved import ResolvedProfile


# Cards for work whose results count; on GeForce and workstation cards ECC off is the default and a choice.
DATACENTRE = re.compile(r"\b(V100S?|A100|A800|A30|H100|H800|H200|H20|GH200|B200|B300|GB200|GB300|L40S?|L4|T4)\b")


def judge(seen: Cards, profile: ResolvedProfile) -> list[Outcome]:
    """Fail on uncorrectable errors since the last reset; warn where ECC is off or about to change."""
    return each_gpu(seen, lambda gpu: [_judge(gpu)])


def _judge(gpu: Gpu) -> Outcome:
    mode = gpu.numbers("ecc", 2)
    if not isinstance(mode, tuple):
        return unanswered(gpu, mode, "ECC mode", "this card has none that can be asked")
    current, pending = ("on" if value else "off" for value in mode)
    evidence = shown(gpu, "ecc", "ecc_uncorrected_volatile", "ecc_corrected_volatile", "ecc_uncorrected_aggregate")
    if current != pending:
        return warned(f"{gpu.label}: ECC is {current} and will be {pending} after a reset.", subject=gpu.subject,
                      seen=current, expected=pending, evidence=evidence, remedy=RESET)
    if current == "off":
        if DATACENTRE.search(gpu.name):
            return warned(f"{gpu.label}: ECC is off; memory errors go unnoticed.", subject=gpu.subject, seen="off",
                          expected="on", evidence=evidence, remedy=SWITCH_ON)
        return passed(f"{gpu.label}: ECC is off, the default of this card.", subject=gpu.subject, seen="off",
                      evidence=evidence)
    return _judge_errors(gpu, evidence)


def _judge_errors(gpu: Gpu, evidence: list[Evidence]) -> Outcome:
    errors = gpu.number("ecc_uncorrected_volatile")
    if not isinstance(errors, int):
        return unanswered(gpu, errors, "count of uncorrectable errors")
    if errors:
        return failed(f"{gpu.label}: {errors} uncorrectable memory errors since the last reset.", subject=gpu.subject,
                      seen=str(errors), expected="0", evidence=evidence)
    corrected, ever = gpu.number("ecc_corrected_volatile"), gpu.number("ecc_uncorrected_aggregate")
    notes = [f"{corrected} corrected" if isinstance(corrected, int) and corrected else "",
             f"{ever} in its life" if isinstance(ever, int) and ever else ""]
    more = "".join(f", {note}" for note in notes if note)
    return passed(f"{gpu.label}: ECC is on, no uncorrectable error since the last reset{more}.", subject=gpu.subject,
                  seen="0", expected="0", evidence=evidence)


RESET = Remedy(steps=("Wait for the jobs on this GPU to end.", "As root: nvidia-smi --gpu-reset -i INDEX, or reboot."))
SWITCH_ON = Remedy(steps=("As root: nvidia-smi -i INDEX -e 1", "Reboot, or reset the GPU."))
CHECK = Check(
    title="Memory errors (ECC)",
    why="An uncorrectable memory error has killed a job or spoiled its result, and tends to come back.",
    observe=observe,
    judge=judge,
    remedy=Remedy(steps=("Restart the jobs that ran on this GPU: their results are doubtful.",
                         "As root: nvidia-smi --gpu-reset -i INDEX, or reboot; bad rows are then replaced.",
                         "See gpu.remapped-rows. If errors come back: run the vendor's field diagnostics.")),
)
