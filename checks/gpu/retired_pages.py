"""Memory pages taken out of use (cards before Ampere)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.check import Check, Outcome, failed, passed, warned
from agent.model.finding import Remedy
from checks.gpu import each_gpu, observe, shown, unanswered

if TYPE_CHECKING:
    from agent.machine.gpu import Cards
    from agent.model.gpu import Gpu
    from agent.model.resolved import ResolvedProfile


LIMIT = 60  # pages from which NVIDIA's guide to dynamic page retirement advises a replacement


def judge(seen: Cards, profile: ResolvedProfile) -> list[Outcome]:
    """Fail at the limit; warn when a page waits for a reset."""
    return each_gpu(seen, lambda gpu: [_judge(gpu)])


def _judge(gpu: Gpu) -> Outcome:
    single, double = gpu.numbers("retired_pages_single_bit"), gpu.numbers("retired_pages_double_bit")
    if not isinstance(single, tuple):
        return unanswered(gpu, single, "page retirement", "cards since Ampere remap rows instead")
    if not isinstance(double, tuple):
        return unanswered(gpu, double, "page retirement", "cards since Ampere remap rows instead")
    told = f"{len(single)} for many single-bit errors, {len(double)} for double-bit errors"
    evidence = shown(gpu, "retired_pages_single_bit", "retired_pages_double_bit", "retired_pending")
    if len(single) + len(double) >= LIMIT:
        return failed(f"{gpu.label}: {len(single) + len(double)} memory pages are retired.", subject=gpu.subject,
                      seen=told, expected=f"fewer than {LIMIT}", evidence=evidence,
                      remedy=Remedy(steps=("Move jobs away from this GPU.", "Return the card.")))
    if gpu.number("retired_pending") == 1:
        return warned(f"{gpu.label}: a bad memory page waits to be retired at the next reset.", subject=gpu.subject,
                      seen="pending", expected="none pending", evidence=evidence)
    text = f"pages retired: {told}" if single or double else "no memory page was ever retired"
    return passed(f"{gpu.label}: {text}.", subject=gpu.subject, seen=told, evidence=evidence)


CHECK = Check(
    title="Retired memory pages",
    why="Until a bad page is retired, any job that gets it computes wrongly or dies.",
    observe=observe,
    judge=judge,
    remedy=Remedy(steps=("Wait for the jobs on this GPU to end.",
                         "As root: nvidia-smi --gpu-reset -i INDEX, or reboot.")),
)
