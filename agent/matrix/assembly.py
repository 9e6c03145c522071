"""Puts the chosen candidates and drivers together into a solution with its citations and caveats."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.matrix.candidate import Candidate, Part, Question
from agent.matrix.rules import DriverChoice, Need
from agent.matrix.solution import Solution
from agent.matrix.version import at_least, begins, order, parts

if TYPE_CHECKING:
    from agent.matrix.ask import Ask
    from agent.matrix.rows import System

_KINDS = ("LTSB", "Production", "New Feature", "")


def assemble(
    ask: Ask, question: Question, system: System | None, chosen: list[Candidate], choices: list[DriverChoice]
) -> Solution:
    """Return the solution. `choices` are the driver branches that fit, oldest first, at least one."""
    needs = [need for candidate in chosen for need in candidate.needs]
    minimum = _minimum(question, choices[0], needs)
    taken = _advised(choices, question)
    generation = question.matrix.find_architecture(question.card.capability)
    rows = (*question.card.rows, *((generation.id,) if generation else ()))
    made = [Part("card", question.card.name, f"compute capability {question.card.capability}", rows)]
    if system is not None:
        made.append(_system(system))
    span = _range(choices, minimum, question)
    made.append(_driver(taken, span, needs))
    made.append(_modules(taken, question))
    made += [part for candidate in chosen for part in candidate.parts]
    caveats = [text for candidate in chosen for text in candidate.caveats]
    caveats += _caveats(taken, question, system, made)
    branches = tuple(choice.branch for choice in choices)
    return Solution(ask, tuple(made), minimum, taken.branch, branches, span, tuple(dict.fromkeys(caveats)))


def _minimum(question: Question, oldest: DriverChoice, needs: list[Need]) -> str:
    """Return the oldest driver version that fits, within the oldest branch that fits."""
    asked = [question.card.driver_sure, *(need.minimum for need in needs), str(oldest.branch)]
    kernel = question.version_of("kernel")
    if kernel and oldest.row:
        asked += [broken.fixed for broken in oldest.row.kernels_broken if at_least(kernel, broken.kernel)]
    return max((version for version in asked if version), key=order)


def _advised(choices: list[DriverChoice], question: Question) -> DriverChoice:
    """Return the branch to take: supported before ended, long-term before production, no known fault."""

    def rank(choice: DriverChoice) -> tuple[bool, bool, int, int]:
        row = choice.row
        faults = bool(row and any(fault.capability == question.card.capability for fault in row.known_faults))
        ended = row is None or row.ended is not False
        kind = _KINDS.index(row.kind) if row and row.kind in _KINDS else len(_KINDS)
        return faults, ended, kind, -choice.branch

    return min(choices, key=rank)


def _system(system: System) -> Part:
    if system.vendor_managed:
        return Part("system", system.system, f"managed by its vendor: {system.note}", (system.id,))
    archive = f"; its own archive has {system.archive_driver}" if system.archive_driver else ""
    return Part("system", system.system, f"NVIDIA's repository {system.repository}{archive}", (system.id,))


def _range(choices: list[DriverChoice], minimum: str, question: Question) -> str:
    """Return in words which drivers fit: from `minimum` on, with an end or with gaps where there are some."""
    branches = [choice.branch for choice in choices]
    known = [row.branch for row in question.matrix.drivers if row.branch >= branches[0]]
    if branches == known:
        return f"{minimum} or newer"
    if minimum == str(branches[0]) and len(branches) == 1:
        return f"any of branch {minimum}"
    if len(branches) == 1:
        return f"{minimum} or newer within branch {branches[0]}"
    if branches == known[: len(branches)]:
        return f"{minimum} or newer, up to branch {branches[-1]}"
    return f"{minimum} or newer of the branches {', '.join(map(str, branches))}"


def _driver(taken: DriverChoice, span: str, needs: list[Need]) -> Part:
    row = taken.row
    latest = f", newest known {row.latest}" if row and row.latest else ""
    until = f", supported to {row.end_of_life}" if row and row.end_of_life and not row.ended else ""
    ended = ", which has ended" if row and row.ended else ""
    says = f"{span}; take branch {taken.branch}{latest}{until}{ended}"
    cited = dict.fromkeys([*taken.rows, *(row_id for need in needs for row_id in need.rows)])
    return Part("driver", taken.exact or str(taken.branch), says, tuple(cited))


def _modules(taken: DriverChoice, question: Question) -> Part:
    words = {
        "required": ("open", "the open kernel modules; the proprietary ones do not drive this card"),
        "unsupported": (
            "proprietary",
            "the proprietary kernel modules; the open ones do not drive this card",
        ),
        "supported": ("open", "open (the default since 560) or proprietary kernel modules"),
    }
    value, says = words.get(
        question.card.modules, ("open", "depends on the card: open where it is the only one")
    )
    if value == "open" and taken.row and not taken.row.open_modules:
        value, says = "proprietary", f"branch {taken.branch} has proprietary kernel modules only"
    return Part("modules", value, says, (*question.card.rows, *taken.rows))


def _caveats(taken: DriverChoice, question: Question, system: System | None, made: list[Part]) -> list[str]:
    found = []
    kernel = question.version_of("kernel")
    if kernel:
        found.append(
            f"no row says that branch {taken.branch} builds for kernel {kernel}; none says that it does not"
        )
    found += [
        f"driver {fault.version}: {fault.what} (reported on {fault.capability})"
        for fault in (taken.row.known_faults if taken.row else ())
        if fault.capability == question.card.capability
    ]
    if system is not None:
        found += _system_caveats(taken, system, made)
    if question.card.unified:
        found.append(
            "unified memory: nvidia-smi shows no memory and no power limit, the host's MemAvailable counts"
        )
    return found


def _system_caveats(taken: DriverChoice, system: System, made: list[Part]) -> list[str]:
    found = []
    python = next((part for part in made if part.kind == "python"), None)
    if python and not any(begins(system.python, known) for known in python.value.split()):
        found.append(
            f"{system.system} has Python {system.python}: {python.says}, so make the environment with one of these"
        )
    if system.archive_driver and parts(system.archive_driver)[0] < taken.branch:
        found.append(
            f"the archive of {system.system} has {system.archive_driver}; "
            f"branch {taken.branch} comes from NVIDIA's repository"
        )
    toolkit = next((part for part in made if part.kind == "cuda"), None)
    if system.vendor_managed and toolkit:
        found.append(f"{system.system} brings its own CUDA; take CUDA {toolkit.value} in a container")
    return found
