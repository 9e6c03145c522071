"""Candidates for the CUDA toolkit and cuDNN on the host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.matrix.candidate import Candidate, Draft, Part, Question
from agent.matrix.rules import Need, toolkit_targets
from agent.matrix.verdicts import Verdict, no, unknown, yes
from agent.matrix.version import at_least, begins, order, parts, short

if TYPE_CHECKING:
    from agent.matrix.ask import Want
    from agent.matrix.rows import Cudnn, Toolkit
    from agent.matrix.subject import Subject
    from agent.matrix.tables import Matrix

_FIRST_WITH_FAMILIES = "9"


def toolkit_candidates(question: Question, want: Want) -> list[Candidate]:
    """Return the toolkit releases that a want names, newest first; a release no row describes is judged too."""
    found: list[Toolkit] = [row for row in question.matrix.table("cuda") if begins(row.version, want.version)]
    if not found:
        draft = Draft([toolkit_targets(want.version, question.card, question.matrix)])
        draft.verdicts.append(unknown(f"no row describes CUDA {want.version}"))
        draft.need_cuda(want.version, f"CUDA {want.version}", question.matrix)
        return [draft.done()]
    found.sort(key=lambda row: order(row.version), reverse=True)
    return [_toolkit(question, row) for row in found]


def _toolkit(question: Question, row: Toolkit) -> Candidate:
    draft = Draft([toolkit_targets(row.version, question.card, question.matrix)])
    draft.need_cuda(row.version, f"CUDA {short(row.version)}", question.matrix)
    major, minor = parts(row.version)[:2]
    compiler = f", gcc up to {row.gcc_max}" if row.gcc_max else ""
    return draft.done(Part("cuda", row.version, f"package cuda-toolkit-{major}-{minor}{compiler}", (row.id,)))


def cudnn_candidates(question: Question, want: Want) -> list[Candidate]:
    """Return the cuDNN releases that a want names, for the CUDA that is wanted too, else the newest first."""
    found: list[Cudnn] = [row for row in question.matrix.table("cudnn") if begins(row.version, want.version)]
    if not found:
        return [Candidate((), (unknown(f"no row describes cuDNN {want.version}"),))]
    found.sort(key=lambda row: order(row.version), reverse=True)
    wanted = question.version_of("cuda")
    made = []
    for row in found:
        majors = [parts(wanted)[0]] if wanted else sorted(row.cuda_majors, reverse=True)
        made += [_cudnn(question, row, major) for major in majors]
    return made


def _cudnn(question: Question, row: Cudnn, major: int) -> Candidate:
    name = f"cuDNN {row.version}"
    draft = Draft([judge_cudnn_card(row, question.card)])
    if major not in row.cuda_majors:
        have = " and ".join(map(str, row.cuda_majors))
        draft.verdicts.append(no(f"{name} exists for CUDA {have}, not {major}", row.id))
    blackwell = bool(question.card.capability) and parts(question.card.capability)[0] >= 10
    draft.add_need(cudnn_need(row, major, blackwell=blackwell))
    generation = parts(row.version)[0]
    package = (
        f"cudnn{generation}-cuda-{major}"
        if at_least(str(generation), _FIRST_WITH_FAMILIES)
        else f"libcudnn{generation}"
    )
    return draft.done(Part("cudnn", row.version, f"package {package}", (row.id,)))


def find_cudnn(version: str, matrix: Matrix) -> Cudnn | None:
    """Return the row of a cuDNN release (`9.10.2` or all four numbers)."""
    rows: tuple[Cudnn, ...] = matrix.table("cudnn")
    return next((row for row in rows if begins(row.version, version)), None)


def cudnn_need(row: Cudnn, major: int, *, blackwell: bool) -> Need | Verdict:
    """Return what cuDNN for a CUDA major release asks of the driver; an unknown verdict when no row says."""
    minimum = row.drivers.get(str(major))
    if blackwell and row.blackwell_driver:
        minimum = row.blackwell_driver
    if minimum is None:
        return unknown(f"no row says which driver cuDNN {row.version} needs with CUDA {major}", row.id)
    return Need(f"cuDNN {row.version} for CUDA {major}", minimum, (row.id,))


def judge_cudnn_card(row: Cudnn, card: Subject) -> Verdict:
    """Say whether the documented matrix of a cuDNN release names the card."""
    if not row.capabilities or not card.capability:
        return unknown(f"no row says which cards cuDNN {row.version} supports", row.id)
    for low, high in row.capabilities:
        if at_least(card.capability, low) and at_least(high, card.capability):
            return yes(f"cuDNN {row.version} supports {card.capability}", row.id)
    spans = ", ".join(low if low == high else f"{low} to {high}" for low, high in row.capabilities)
    says = f"the matrix of cuDNN {row.version} names {spans}, the card is {card.capability}"
    relatives = any(parts(high)[0] == parts(card.capability)[0] for _, high in row.capabilities)
    return unknown(f"{says}, of the same family", row.id) if relatives else no(says, row.id)
