"""Driver, CUDA toolkit, cuDNN, card and system fit together, by the rows of the matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, failed, not_applicable, passed, unknown
from agent.machine.cuda import observe_cudnn, observe_toolkits
from agent.machine.driver import loaded_version
from agent.machine.hardware import observe_system
from agent.machine.pci import observe_gpus
from agent.matrix.combination import Combination, Told
from agent.matrix.judgement import judge_combination
from agent.matrix.verdicts import Answer
from agent.model.finding import Evidence
from checks.cuda import NO_GPU, repair

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.matrix.verdicts import Verdict
    from agent.model.resolved import ResolvedProfile


class Seen(NamedTuple):
    """What the machine combines; None without a card."""

    combination: Combination | None


def observe(machine: Machine, profile: ResolvedProfile) -> Seen:
    """Gather the versions."""
    cards = observe_gpus(machine)
    if not cards:
        return Seen(None)
    architecture, system = observe_system(machine)
    used, files = observe_toolkits(machine).in_use, observe_cudnn(machine)
    cudnn = next((version for _, version in files.libraries), files.header)
    return Seen(Combination(
        cards=tuple((card.device_id, card.name) for card in cards), architecture=architecture, system=system,
        kernel=machine.read("/proc/sys/kernel/osrelease").strip(), driver=Told(loaded_version(machine)),
        open_module=None,
        toolkit=Told(used.version if used else ""), cudnn=Told(cudnn)))


def judge(seen: Seen, profile: ResolvedProfile) -> list[Outcome]:
    """A no fails, a missing row is unknown; all yes is one pass. Card and driver alone are driver.version's."""
    found = seen.combination
    if found is None:
        return [not_applicable(NO_GPU)]
    if not found.driver.version:
        return [unknown("No NVIDIA driver is loaded. See driver.module.")]
    lines = [(what, verdict) for what, verdict in judge_combination(found) if _ours(what, verdict, found)]
    if not lines:
        return [not_applicable("There is neither a CUDA toolkit nor cuDNN on the host to compare with the driver.")]
    bad = [_judge_line(what, verdict, profile) for what, verdict in lines if not verdict.fits]
    if bad:
        return bad
    return [passed(f"They fit: {'; '.join(dict.fromkeys(what for what, _ in lines))}.", evidence=[
        Evidence("matrix", tuple(dict.fromkeys(f"{what}: {verdict.says}" for what, verdict in lines)))])]


def _ours(what: str, verdict: Verdict, found: Combination) -> bool:
    """Return whether a line is about toolkit, cuDNN or system; a system without a row is no question."""
    if what.endswith(f", {found.system}"):
        return verdict.answer is Answer.NO
    return "CUDA" in what or "cuDNN" in what


def _judge_line(what: str, verdict: Verdict, profile: ResolvedProfile) -> Outcome:
    title = f"{what[0].upper()}{what[1:]}"
    evidence = [Evidence("matrix", verdict.rows)]
    if verdict.answer is Answer.UNKNOWN:
        return unknown(f"{title}: {verdict.says.removeprefix('unknown: ')}.", subject=what, evidence=evidence)
    return failed(f"{title} do not fit: {verdict.says}.", subject=what, expected="a combination that fits",
                  seen=what, evidence=evidence, remedy=repair(
                      profile, "cuda", "Find what fits: firstlight matrix solve",
                      "Set gpu.driver.branch and gpu.cuda.toolkit in the profile."))


CHECK = Check(
    title="Driver, CUDA and card",
    why="A toolkit newer than the driver, or one that does not know the card, compiles well and fails when the program "
        "starts.",
    observe=observe,
    judge=judge,
)
