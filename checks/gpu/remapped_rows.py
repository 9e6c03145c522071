"""Memory rows that had to be replaced (Ampere and later)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.check import Check, Outcome, failed, passed, warned
from agent.model.finding import Remedy
from checks.gpu import each_gpu, observe, shown, unanswered

if TYPE_CHECKING:
    from agent.machine.gpu import Cards
    from agent.model.gpu import Gpu
    from agent.model.resolved import ResolvedProfile


MANY = 512  # uncorrectable remappings; the limit of Azure's node health checks


def judge(seen: Cards, profile: ResolvedProfile) -> list[Outcome]:
    """Fail when a remapping failed or there are too many; warn when one waits for a reset."""
    return each_gpu(seen, lambda gpu: [_judge(gpu)])


def _judge(gpu: Gpu) -> Outcome:
    rows = gpu.numbers("remapped_rows", 4)
    if not isinstance(rows, tuple):
        return unanswered(gpu, rows, "row remapping", "this card has none")
    corrected, uncorrected, pending, failure = rows
    told = f"{uncorrected} for uncorrectable errors, {corrected} for correctable ones"
    evidence = shown(gpu, "remapped_rows")
    if failure:
        return failed(f"{gpu.label}: a bad memory row could not be replaced, no spare is left.", subject=gpu.subject,
                      seen=told, expected="none", evidence=evidence, remedy=RETURN)
    if uncorrected > MANY:
        return failed(f"{gpu.label}: {uncorrected} memory rows were replaced for uncorrectable errors.",
                      subject=gpu.subject, seen=told, expected=f"at most {MANY}", evidence=evidence, remedy=RETURN)
    if pending:
        return warned(f"{gpu.label}: a bad memory row waits to be replaced at the next reset.", subject=gpu.subject,
                      seen="pending", expected="none pending", evidence=evidence)
    text = f"rows replaced: {told}" if uncorrected or corrected else "no memory row was ever replaced"
    return passed(f"{gpu.label}: {text}.", subject=gpu.subject, seen=told, evidence=evidence)


RETURN = Remedy(steps=("Move jobs away from this GPU.", "Run the field diagnostics of the vendor and return the card."))
CHECK = Check(
    title="Remapped memory rows",
    why="The card replaces bad memory rows by spares; when none is left, results are at risk.",
    observe=observe,
    judge=judge,
    remedy=Remedy(steps=("Wait for the jobs on this GPU to end.",
                         "As root: nvidia-smi --gpu-reset -i INDEX, or reboot.",
                         "If it comes back: run the vendor's field diagnostics.")),
)
