"""Programs may use the GPU at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.check import Check, Outcome, failed, passed
from agent.model.finding import Remedy
from checks.gpu import each_gpu, observe, shown, unanswered

if TYPE_CHECKING:
    from agent.machine.gpu import Cards
    from agent.model.gpu import Gpu
    from agent.model.resolved import ResolvedProfile


DEFAULT, THREAD, PROHIBITED, PROCESS = range(4)
MODES = {DEFAULT: "shared by any number of processes", THREAD: "one thread at a time",
         PROHIBITED: "no process at all", PROCESS: "one process at a time"}


def judge(seen: Cards, profile: ResolvedProfile) -> list[Outcome]:
    """Fail when the mode forbids every job; an exclusive mode is named and passes."""
    return each_gpu(seen, lambda gpu: [_judge(gpu)])


def _judge(gpu: Gpu) -> Outcome:
    mode = gpu.number("compute_mode")
    if not isinstance(mode, int):
        return unanswered(gpu, mode, "compute mode")
    evidence = shown(gpu, "compute_mode")
    if mode == PROHIBITED:
        return failed(f"{gpu.label}: its compute mode forbids every job.", subject=gpu.subject, seen="prohibited",
                      expected="default", evidence=evidence)
    text = MODES.get(mode, f"mode {mode}")
    return passed(f"{gpu.label}: may be used, {text}.", subject=gpu.subject, seen=text, evidence=evidence)


CHECK = Check(
    title="Compute mode",
    why="In mode \"prohibited\" every CUDA program fails with \"no CUDA-capable device is available\".",
    observe=observe,
    judge=judge,
    remedy=Remedy(steps=("As root: nvidia-smi -c DEFAULT",)),
)
