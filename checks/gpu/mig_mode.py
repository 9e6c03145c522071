"""MIG is what it will be after a reset, and has slices when it is on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.check import Check, Outcome, not_applicable, passed, warned
from agent.model.finding import Remedy
from agent.model.gpu import Unread
from checks.gpu import each_gpu, observe, shown, unanswered

if TYPE_CHECKING:
    from agent.machine.gpu import Cards
    from agent.model.gpu import Gpu
    from agent.model.resolved import ResolvedProfile



def judge(seen: Cards, profile: ResolvedProfile) -> list[Outcome]:
    """Warn about a change that waits for a reset, and about MIG without a slice."""
    return each_gpu(seen, lambda gpu: [_judge(gpu)])


def _judge(gpu: Gpu) -> Outcome:
    mode = gpu.numbers("mig", 2)
    if not isinstance(mode, tuple):
        return unanswered(gpu, mode, "MIG mode", "this card cannot be divided")
    current, pending = ("on" if value else "off" for value in mode)
    evidence = shown(gpu, "mig", "mig_devices")
    if current != pending:
        return warned(f"{gpu.label}: MIG is {current} and will be {pending} after a reset.", subject=gpu.subject,
                      seen=current, expected=pending, evidence=evidence)
    if current == "off":
        return not_applicable(f"{gpu.label}: MIG is off.", subject=gpu.subject)
    slices = gpu.reading("mig_devices")
    if not isinstance(slices, list):
        return unanswered(gpu, Unread("not a list"), "list of MIG slices")
    if not slices:
        return warned(f"{gpu.label}: MIG is on, but there is no slice: no job can run here.", subject=gpu.subject,
                      seen="0 slices", expected="at least one", evidence=evidence)
    return passed(f"{gpu.label}: MIG is on with {len(slices)} slices.", subject=gpu.subject,
                  seen=f"{len(slices)} slices", evidence=evidence)


CHECK = Check(
    title="MIG mode",
    why="A card in MIG mode without slices runs nothing; a mode that waits for a reset surprises at the next boot.",
    observe=observe,
    judge=judge,
    remedy=Remedy(steps=("Wait for the jobs on this GPU to end.",
                         "To apply a waiting mode, as root: nvidia-smi --gpu-reset -i INDEX, or reboot.",
                         "To make slices: nvidia-smi mig -lgip shows the sizes, nvidia-smi mig -cgi ID -C makes one.",
                         "To leave MIG: nvidia-smi -i INDEX -mig 0")),
)
