"""Given a card, a CPU architecture, a system and wants: what fits, or the shortest explanation why nothing does."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.matrix.ask import Ask, Want
from agent.matrix.assembly import assemble
from agent.matrix.candidate import Candidate, Question
from agent.matrix.conflict import Field, find_conflict
from agent.matrix.containers import image_candidates
from agent.matrix.rules import (
    DriverChoice,
    card_beside,
    driver_builds,
    driver_drives,
    driver_known,
    driver_meets,
    driver_on_system,
)
from agent.matrix.serving import vllm_candidates
from agent.matrix.solution import NoSolution, Solution
from agent.matrix.subject import find_subject
from agent.matrix.tables import Matrix
from agent.matrix.toolkits import cudnn_candidates, toolkit_candidates
from agent.matrix.verdicts import Answer, Verdict, unknown
from agent.matrix.version import parts
from agent.matrix.wheels import torch_candidates

if TYPE_CHECKING:
    from agent.matrix.rows import System

_MAKERS = {
    "torch": torch_candidates,
    "vllm": vllm_candidates,
    "cuda": toolkit_candidates,
    "cudnn": cudnn_candidates,
    "image": image_candidates,
}


@dataclass(frozen=True, slots=True)
class _Branch:
    """A driver branch with the verdicts against it, and per want the failures of every candidate."""

    choice: DriverChoice
    against: tuple[Verdict, ...]
    failures: tuple[tuple[frozenset[Verdict], ...], ...]

    def best(self) -> tuple[int, ...] | None:
        """Return per want the index of the first candidate without a failure; None when a want has none."""
        first = [next((at for at, found in enumerate(wanted) if not found), None) for wanted in self.failures]
        return None if self.against or None in first else tuple(at for at in first if at is not None)


def solve(ask: Ask, matrix: Matrix | None = None) -> Solution | NoSolution:
    """Return what fits, or why nothing does. Raises UsageError when the card's name fits several generations."""
    matrix = matrix or Matrix()
    found = _solved(ask, matrix)
    return found if isinstance(found, Solution) else dataclasses.replace(found, instead=_instead(ask, matrix))


def _solved(ask: Ask, matrix: Matrix) -> Solution | NoSolution:
    question = Question(matrix, find_subject(ask.card, matrix), ask.architecture, ask.wants)
    apart = card_beside(question.card, ask.architecture)
    if apart is not None:
        return NoSolution(ask, (apart,), unknown=False)
    basics, system = _basics(ask, question)
    if basics:
        return NoSolution(ask, basics, unknown=True)
    wanted = [_MAKERS[want.kind](question, want) for want in _components(ask)]
    branches = [_judged(choice, question, system, wanted) for choice in _choices(ask, matrix)]
    fitting = [(best, branch.choice) for branch in branches if (best := branch.best()) is not None]
    if not fitting:
        conflict = find_conflict(_field(branches))
        unsure = any(verdict.answer == "unknown" for verdict in conflict)
        return NoSolution(ask, conflict, unsure)
    least = min(best for best, _ in fitting)
    chosen = [candidates[at] for candidates, at in zip(wanted, least, strict=True)]
    taken = [branch for branch in branches if branch.best() == least]
    chosen = [
        dataclasses.replace(candidate, caveats=(*candidate.caveats, *_passed_over(candidates[:at], taken, place)))
        for place, (candidates, at, candidate) in enumerate(zip(wanted, least, chosen, strict=True))
    ]
    return assemble(ask, question, system, chosen, [branch.choice for branch in taken])


def _passed_over(better: list[Candidate], branches: list[_Branch], place: int) -> list[str]:
    """Return the first candidate before the chosen one that nothing speaks against but that no row says fits."""
    for at, candidate in enumerate(better):
        failures = branches[-1].failures[place][at]
        if candidate.parts and all(verdict.answer is Answer.UNKNOWN for verdict in failures):
            why = "; ".join(sorted(verdict.says.removeprefix("unknown: ") for verdict in failures))
            return [f"not taken: {candidate.parts[0].kind} {candidate.parts[0].value} ({why})"]
    return []


def _basics(ask: Ask, question: Question) -> tuple[tuple[Verdict, ...], System | None]:
    """Return what is unknown before anything is tried, and the system's row."""
    found = []
    if not question.card.rows:
        found.append(unknown(f"no row says what card {ask.card} is"))
    system = question.matrix.find_system(ask.system, ask.architecture) if ask.system else None
    if ask.system and system is None:
        found.append(unknown(f"no row describes {ask.system} on {ask.architecture}"))
    return tuple(found), system


def _components(ask: Ask) -> list[Want]:
    """Return the wants that have candidates of their own. vLLM brings its torch; NVFP4 alone asks for vLLM."""
    kinds = {want.kind for want in ask.wants}
    wants = [
        want for want in ask.wants if want.kind in _MAKERS and not (want.kind == "torch" and "vllm" in kinds)
    ]
    if "nvfp4" in kinds and not kinds & {"vllm", "image"}:
        wants.append(Want("vllm"))
    return wants


def _choices(ask: Ask, matrix: Matrix) -> list[DriverChoice]:
    """Return the driver branches that may be taken, oldest first."""
    asked = next((want.version for want in ask.wants if want.kind == "driver"), "")
    if not asked:
        return [DriverChoice(row.branch, row) for row in matrix.drivers]
    numbers = parts(asked)
    return [DriverChoice(numbers[0], matrix.find_driver(numbers[0]), asked if len(numbers) > 1 else "")]


def _judged(
    choice: DriverChoice, question: Question, system: System | None, wanted: list[list[Candidate]]
) -> _Branch:
    verdicts = [driver_known(choice), driver_drives(choice, question.card, question.matrix)]
    if system is not None:
        verdicts.append(driver_on_system(choice, system))
    asked = question.version_of("kernel")
    kernel = driver_builds(choice, asked, question.matrix) if asked else None
    if kernel is not None:
        verdicts.append(kernel)
    failures = tuple(tuple(_failures(choice, candidate) for candidate in candidates) for candidates in wanted)
    return _Branch(choice, tuple(verdict for verdict in verdicts if not verdict.fits), failures)


def _failures(choice: DriverChoice, candidate: Candidate) -> frozenset[Verdict]:
    driver = (driver_meets(choice, need) for need in candidate.needs)
    return frozenset(verdict for verdict in (*candidate.verdicts, *driver) if not verdict.fits)


def _field(branches: list[_Branch]) -> Field:
    """Return what the explanation is sought in: the driver itself counts as one more want with one candidate."""
    return tuple(((frozenset(branch.against),), *branch.failures) for branch in branches)


def _instead(ask: Ask, matrix: Matrix) -> Solution | None:
    """Return what fits when first the driver, then the versions, then both are left open; None when nothing does."""
    kept = ("image", "kernel", "python", "nvfp4", "driver")
    other_driver = tuple(want for want in ask.wants if want.kind != "driver")
    other_versions = tuple(want if want.kind in kept else Want(want.kind) for want in ask.wants)
    both = tuple(want for want in other_versions if want.kind != "driver")
    for wants in dict.fromkeys((other_driver, other_versions, both)):
        if wants != ask.wants:
            found = _solved(dataclasses.replace(ask, wants=wants), matrix)
            if isinstance(found, Solution):
                return found
    return None
