"""Candidates for container images: the tag's architectures, its CUDA, and whether it has code for the card."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent.matrix.ask import parse_tag
from agent.matrix.candidate import Candidate, Draft, Part, Question
from agent.matrix.rules import Need, code_possible, toolkit_targets
from agent.matrix.serving import find_vllm, judge_nvfp4
from agent.matrix.verdicts import Verdict, no, unknown, yes
from agent.matrix.version import at_least
from agent.matrix.wheels import judge_code

if TYPE_CHECKING:
    from agent.matrix.ask import Want
    from agent.matrix.framework_rows import Image
    from agent.matrix.tables import Matrix

DOCKER_NAMES = {"x86_64": "amd64", "aarch64": "arm64"}
_PREFIXES = ("docker.io/library/", "docker.io/", "index.docker.io/")


def find_image(reference: str, matrix: Matrix) -> Image | None:
    """Return the row of a reference: its own, or that of the range its tag falls in."""
    for prefix in _PREFIXES:
        reference = reference.removeprefix(prefix)
    reference = reference.split("@", 1)[0]
    name, tag = _split(reference)
    images: list[Image] = list(matrix.table("images"))
    exact = next((row for row in images if row.reference == f"{name}:{tag}"), None)
    if exact is not None:
        return exact
    ranges = [row for row in images if _split(row.reference)[0] == name]
    return next((row for row in ranges if _in_range(row, tag)), None)


def _split(reference: str) -> tuple[str, str]:
    name, _, tag = reference.rpartition(":")
    return (name, tag) if name and "/" not in tag else (reference, "latest")


def _in_range(row: Image, tag: str) -> bool:
    if row.reference.endswith(":*"):
        return True
    if not row.tag_below:
        return False
    found = re.match(r"v?(\d+(?:\.\d+)+)", tag)
    if found is None:
        return False
    return (not row.tag_first or at_least(found[1], row.tag_first)) and not at_least(found[1], row.tag_below)


def image_candidates(question: Question, want: Want) -> list[Candidate]:
    """Return the one image that is wanted, judged."""
    row = find_image(want.version, question.matrix)
    if row is None:
        return [Candidate((), (unknown(f"no row describes the image {want.version}"),))]
    _, tag = _split(want.version.split("@", 1)[0])
    draft = Draft([_architecture(question, row)])
    cuda = find_cuda(row, tag)
    draft.verdicts.append(_runs_on(question, row, cuda))
    if row.driver:
        draft.needs.append(Need(want.version, row.driver, (row.id,)))
    elif cuda:
        draft.need_cuda(cuda, f"{want.version} (CUDA {cuda})", question.matrix)
    else:
        draft.verdicts.append(unknown(f"no row says which CUDA {want.version} holds", row.id))
    if question.wants_any("nvfp4"):
        draft.verdicts.append(_nvfp4(question, row, tag))
    if row.note:
        draft.caveats.append(f"{row.reference}: {row.note}")
    holds = [
        f"CUDA {cuda}" if cuda else "",
        f"torch {row.torch}" if row.torch else "",
        f"vLLM {row.vllm}" if row.vllm else "",
    ]
    says = ", ".join(word for word in holds if word) or "contents not known"
    return [draft.done(Part("image", want.version, says, (row.id,)))]


def find_cuda(row: Image, tag: str) -> str:
    """Return the CUDA in the image, by its tag or its row; empty when neither says."""
    found = re.search(row.tag_pattern, tag) if row.tag_pattern else None
    if found:
        return parse_tag(f"cu{found[1]}") if found[1].isdigit() else found[1]
    return "" if row.cuda_from_tag else row.cuda


def _architecture(question: Question, row: Image) -> Verdict:
    wanted = DOCKER_NAMES.get(question.architecture, question.architecture)
    if not row.architectures:
        return unknown(f"no row says whether {row.reference} exists for {wanted}", row.id)
    if wanted in row.architectures:
        return yes(f"{row.reference} exists for {wanted}", row.id)
    return no(
        f"{row.reference} exists for {', '.join(row.architectures)} only, the machine is {wanted}", row.id
    )


def _runs_on(question: Question, row: Image, cuda: str) -> Verdict:
    capability = question.card.capability
    if capability in row.proven:
        return yes(f"{row.reference} was seen to run on {capability}", row.id)
    if cuda and row.plain_cuda:
        return toolkit_targets(cuda, question.card, question.matrix)
    possible = code_possible(cuda, question.card, question.matrix) if cuda else None
    wanted = DOCKER_NAMES.get(question.architecture, question.architecture)
    built = next((code for code in row.code if code.architecture == wanted), None)
    if built is not None and possible is not None:
        return judge_code(f"{row.reference} ({wanted})", built.capabilities, capability, possible, row.id)
    if possible is not None and not possible.fits:
        return possible
    return unknown(f"no row says that {row.reference} has code for {capability}", row.id)


def _nvfp4(question: Question, row: Image, tag: str) -> Verdict:
    version = row.vllm
    if row.vllm_from_tag:
        found = re.match(r"v?(\d+(?:\.\d+)+)", tag)
        version = found[1] if found else ""
    release = find_vllm(question, version) if version else None
    if release is None:
        return unknown(f"no row says which vLLM is in {row.reference}", row.id)
    return judge_nvfp4(question, release)
