"""Candidates for torch: which build, from which index, with code for this card."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent.matrix.ask import parse_tag
from agent.matrix.candidate import Candidate, Draft, Part, Question
from agent.matrix.rules import code_possible
from agent.matrix.verdicts import Answer, Verdict, no, unknown, yes
from agent.matrix.version import at_least, begins, order, parts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.matrix.ask import Want
    from agent.matrix.framework_rows import Torch, TorchBuild
    from agent.matrix.tables import Matrix

INDEX = "https://download.pytorch.org/whl"
PLATFORMS = ("x86_64", "aarch64")


def torch_candidates(question: Question, want: Want) -> list[Candidate]:
    """Return the builds that a want names, the newest release first, in a release PyPI's own build first."""
    found = [row for row in question.matrix.table("torch") if begins(row.version, want.version)]
    if not found:
        return [Candidate((), (unknown(f"no row describes torch {want.version}"),))]
    made = []
    for row in sorted(found, key=lambda row: order(row.version), reverse=True):
        made += [torch_candidate(question, row, tag, pypi=pypi) for tag, pypi in _builds(row, want)]
        if not row.builds_complete and not want.tag and not want.from_pypi:
            made.append(Candidate((), (unknown(f"no row names every build of torch {row.version}", row.id),)))
    return made


def pypi_tag(row: Torch) -> str:
    """Return the build tag of the wheel on PyPI: CUDA 12.1 is cu121."""
    major, minor = parts(row.pypi_cuda)[:2]
    return f"cu{major}{minor}"


def torch_candidate(question: Question, row: Torch, tag: str, *, pypi: bool) -> Candidate:
    """Return one build of one release, judged."""
    cuda, name = parse_tag(tag), f"torch {row.version}+{tag}"
    draft = Draft([_published(question, row, tag, pypi=pypi), *_python(question, row)])
    code, builds = find_code(question, row, tag)
    draft.verdicts.append(code)
    draft.need_cuda(cuda, f"{name} (CUDA {cuda})", question.matrix)
    index = "" if pypi else f" --index-url {INDEX}/{tag}"
    cudnn = (
        next((build.cudnn for build in row.builds if build.tag == tag), "") if not pypi else row.pypi_cudnn
    )
    rows = (row.id, *((builds.id,) if builds else ()))
    made = [Part("torch", f"{row.version}+{tag}", f"pip install torch=={row.version}{index}", rows)]
    made.append(
        Part(
            "python",
            " ".join(row.python),
            f"wheels for Python {row.python[0]} to {row.python[-1]}",
            (row.id,),
        )
    )
    if cudnn:
        made.append(Part("cudnn", cudnn, "comes with the wheel; none is needed on the host", (row.id,)))
    return draft.done(*made)


def find_torch(version: str, matrix: Matrix) -> Torch | None:
    """Return the row of an installed torch (`2.9.1+cu128`); none for builds of others (`2.9.0a0+….nv25.10`)."""
    plain = version.split("+", 1)[0]
    rows: tuple[Torch, ...] = matrix.table("torch")
    if not re.fullmatch(r"[\d.]+", plain):
        return None
    return next((row for row in rows if order(row.version) == order(plain)), None)


def _builds(row: Torch, want: Want) -> Iterator[tuple[str, bool]]:
    """Yield (tag, from PyPI) in the order of preference."""
    if want.tag:
        yield want.tag, False
        return
    yield pypi_tag(row), True
    if not want.from_pypi:
        tags = sorted((build.tag for build in row.builds), reverse=True)
        yield from ((tag, False) for tag in tags)


def _published(question: Question, row: Torch, tag: str, *, pypi: bool) -> Verdict:
    """Say whether the build exists for this CPU architecture."""
    if question.architecture not in PLATFORMS:
        return unknown(f"no row says which torch builds exist for {question.architecture}", row.id)
    if pypi and question.architecture == "aarch64":
        if row.pypi_aarch64 == "cuda":
            return yes(f"PyPI has torch {row.version} with CUDA for aarch64", row.id)
        return no(f"on PyPI torch {row.version} for aarch64 is a CPU build", row.id)
    if pypi:
        return yes(f"PyPI has torch {row.version} with CUDA {row.pypi_cuda}", row.id)
    build = next((build for build in row.builds if build.tag == tag), None)
    if build and build.status:
        return yes(f"torch {row.version} has a {tag} build", row.id)
    if build or not row.builds_complete:
        return unknown(f"no row says whether torch {row.version} has a {tag} build", row.id)
    have = ", ".join(build.tag for build in row.builds)
    return no(f"torch {row.version} has no {tag} build; it has {have}", row.id)


def _python(question: Question, row: Torch) -> Iterator[Verdict]:
    version = question.version_of("python")
    if not version:
        return
    known = any(begins(version, python) for python in row.python)
    says = f"torch {row.version} has wheels for Python {row.python[0]} to {row.python[-1]}"
    yield yes(says, row.id) if known else no(f"{says}, not {version}", row.id)


def find_code(question: Question, row: Torch, tag: str) -> tuple[Verdict, TorchBuild | None]:
    """Say whether the build has code for the card, and by which row."""
    card, cuda = question.card, parse_tag(tag)
    possible = code_possible(cuda, card, question.matrix)
    for build in question.matrix.table("torch_builds"):
        inside = at_least(row.version, build.first) and at_least(build.last, row.version)
        if (build.tag, build.platform) == (tag, question.architecture) and inside:
            name = f"torch {row.version}+{tag}"
            return judge_code(name, build.capabilities, card.capability, possible, build.id), build
    if not possible.fits:
        return possible, None
    says = f"no row says which cards torch {row.version}+{tag} ({question.architecture}) has code for"
    return unknown(says, row.id), None


def judge_code(name: str, built_for: tuple[str, ...], capability: str, possible: Verdict, row: str) -> Verdict:
    """Say whether something that was built for these capabilities (`12.0+PTX`) runs on a card, by its row."""
    if possible.answer is Answer.NO:
        return no(possible.says, *possible.rows, row)
    if _native(built_for, capability):
        return yes(f"{name} has code that runs on {capability}", row)
    ptx = (listed.removesuffix("+PTX") for listed in built_for if listed.endswith("+PTX"))
    if any(at_least(capability, listed) for listed in ptx):
        return unknown(f"{name} has only PTX for {capability}, and no row says that it runs", row)
    return no(f"{name} has code for {', '.join(built_for)}, none of which runs on {capability}", row)


def _native(built_for: tuple[str, ...], capability: str) -> bool:
    """Return whether a binary that was built for these runs on the card: same major, minor not above the card's."""
    numbers = (parts(listed.removesuffix("+PTX")) for listed in built_for)
    card = parts(capability)
    return any(listed[0] == card[0] and listed[1] <= card[1] for listed in numbers)
