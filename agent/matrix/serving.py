"""Candidates for vLLM: the release, the torch it pins, and what is known of NVFP4 on the card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.matrix.ask import parse_tag
from agent.matrix.candidate import Candidate, Draft, Part, Question
from agent.matrix.rules import code_possible
from agent.matrix.verdicts import Verdict, no, unknown, yes
from agent.matrix.version import at_least, begins, order, parts
from agent.matrix.wheels import torch_candidate

if TYPE_CHECKING:
    from agent.matrix.ask import Want
    from agent.matrix.framework_rows import Torch, Vllm
    from agent.matrix.tables import Matrix


def vllm_candidates(question: Question, want: Want) -> list[Candidate]:
    """Return the releases that a want names, newest first."""
    found = [row for row in question.matrix.table("vllm") if begins(row.version, want.version)]
    if not found:
        return [Candidate((), (unknown(f"no row describes vLLM {want.version}"),))]
    found.sort(key=lambda row: order(row.version), reverse=True)
    return [_candidate(question, row) for row in found]


def find_vllm(question: Question, version: str) -> Vllm | None:
    """Return the row of exactly this release."""
    return find_release(question.matrix, version)


def find_release(matrix: Matrix, version: str) -> Vllm | None:
    """Return the row of exactly this release."""
    found: list[Vllm] = list(matrix.table("vllm"))
    return next((row for row in found if order(row.version) == order(version)), None)


def _candidate(question: Question, row: Vllm) -> Candidate:
    draft = Draft([_published(question, row), _runs_on(question, row)])
    if question.wants_any("nvfp4"):
        draft.verdicts.append(judge_nvfp4(question, row))
    draft.verdicts += _same_torch(question, row)
    draft.need_cuda(row.cuda, f"vLLM {row.version} (CUDA {row.cuda})", question.matrix)
    pinned: Torch | None = next((t for t in question.matrix.table("torch") if t.version == row.torch), None)
    if pinned is None:
        draft.verdicts.append(
            unknown(f"no row describes torch {row.torch}, which vLLM {row.version} pins", row.id)
        )
        return draft.done()
    major, minor = parts(row.cuda)[:2]
    tag = f"cu{major}{minor}"
    plain = question.architecture == "x86_64" or pinned.pypi_aarch64 == "cuda"
    torch = torch_candidate(question, pinned, tag, pypi=plain)
    index = "" if plain else f" --extra-index-url https://download.pytorch.org/whl/{tag}"
    if not plain:
        draft.caveats.append(
            f"from PyPI alone vLLM {row.version} takes a CPU build of torch on {question.architecture}"
        )
    if question.card.capability == "12.1" and row.note:
        draft.caveats.append(f"vLLM {row.version} on 12.1: {row.note}")
    part = Part("vllm", row.version, f"pip install vllm=={row.version}{index}", (row.id,))
    draft.verdicts += torch.verdicts
    draft.needs += torch.needs
    pythons = [python for python in pinned.python if takes_python(row.python, python)]
    draft.verdicts.append(_python(question, row, pythons))
    says = f"Python {pythons[0]} to {pythons[-1]}: vLLM takes {row.python}" if pythons else ""
    rest = [other for other in torch.parts if other.kind != "python"]
    return draft.done(part, *rest, Part("python", " ".join(pythons), says, (row.id, pinned.id)))


def takes_python(specifier: str, version: str) -> bool:
    """Return whether a Python (3.12) is within `>=3.10,<3.14`."""
    for clause in specifier.split(","):
        least = clause.strip().startswith(">=")
        if at_least(version, clause.strip().lstrip("<>=")) != least:
            return False
    return True


def _python(question: Question, row: Vllm, pythons: list[str]) -> Verdict:
    wanted = question.version_of("python")
    if not pythons:
        return no(f"no Python has wheels of both vLLM {row.version} and torch {row.torch}", row.id)
    says = f"vLLM {row.version} with torch {row.torch} takes Python {', '.join(pythons)}"
    if wanted and not any(begins(wanted, python) for python in pythons):
        return no(f"{says}, not {wanted}", row.id)
    return yes(says, row.id)


def _published(question: Question, row: Vllm) -> Verdict:
    if question.architecture in row.platforms:
        return yes(f"vLLM {row.version} has wheels for {question.architecture}", row.id)
    return no(
        f"vLLM {row.version} has no wheel for {question.architecture}, only for {', '.join(row.platforms)}",
        row.id,
    )


def _runs_on(question: Question, row: Vllm) -> Verdict:
    """Say whether vLLM's own kernels run on the card."""
    capability = question.card.capability
    possible = code_possible(row.cuda, question.card, question.matrix)
    if not possible.fits:
        return possible
    if capability in row.proven:
        return yes(f"vLLM {row.version} was seen to run on {capability}", row.id)
    for cards in question.matrix.table("vllm_cards"):
        if at_least(row.version, cards.first) and not at_least(row.version, cards.below):
            says = f"vLLM {row.version} asks for compute capability {cards.capability_min} or higher"
            enough = at_least(capability, cards.capability_min)
            return yes(says, cards.id) if enough else no(f"{says}, the card is {capability}", cards.id)
    return unknown(f"no row says which cards vLLM {row.version} runs on", row.id)


def judge_nvfp4(question: Question, row: Vllm) -> Verdict:
    """Say whether NVFP4 models (with experts) run on the card with this release."""
    if question.card.capability != "12.1":
        return unknown(
            f"no row says whether NVFP4 runs on {question.card.capability} with vLLM {row.version}", row.id
        )
    if row.nvfp4_on_12_1 == "works":
        return yes(f"NVFP4 runs on 12.1 with vLLM {row.version}", row.id)
    if row.nvfp4_on_12_1 == "fails":
        return no(f"NVFP4 with experts fails on 12.1 with vLLM {row.version}", row.id)
    return unknown(f"no row says that NVFP4 runs on 12.1 with vLLM {row.version}", row.id)


def _same_torch(question: Question, row: Vllm) -> list[Verdict]:
    wanted = next((want for want in question.wants if want.kind == "torch"), None)
    if wanted is None:
        return []
    pins = f"vLLM {row.version} pins torch {row.torch} with CUDA {row.cuda}"
    if not begins(row.torch, wanted.version) or (wanted.tag and not begins(row.cuda, parse_tag(wanted.tag))):
        return [no(f"{pins}, not {wanted}", row.id)]
    return [yes(pins, row.id)]
