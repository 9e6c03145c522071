"""The frameworks in Python environments were built for this driver, this card and this processor."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Level, Outcome, failed, not_applicable, passed, unknown, warned
from agent.machine.driver import loaded_version
from agent.machine.environments import Environment, find_environments, observe_environment
from agent.machine.hardware import observe_system
from agent.machine.pci import observe_gpus
from agent.matrix.builds import judge_torch
from agent.matrix.verdicts import Answer
from agent.model.errors import Unobservable
from agent.model.finding import Evidence, Remedy
from checks.cuda import NO_GPU

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.hardware import PciGpu
    from agent.model.resolved import ResolvedProfile

INDEX = "https://download.pytorch.org/whl"


class Seen(NamedTuple):
    """The environments that hold a framework; `closed`: (folder, why) of those that could not be read."""

    cards: tuple[PciGpu, ...]
    architecture: str = ""
    driver: str = ""
    environments: tuple[Environment, ...] = ()
    closed: tuple[tuple[str, str], ...] = ()


def observe(machine: Machine, profile: ResolvedProfile) -> Seen:
    """Read version files in the profile's environments, else in those of the usual places."""
    cards = observe_gpus(machine)
    if not cards:
        return Seen(())
    found, closed = [], []
    for path in profile.profile.gpu.cuda.environments or find_environments(machine):
        try:
            found.append(observe_environment(machine, path))
        except Unobservable as error:
            closed.append((path, error.message))
    held = tuple(each for each in found if each.torch)
    return Seen(cards, observe_system(machine)[0], loaded_version(machine), held, tuple(closed))


def judge(seen: Seen, profile: ResolvedProfile) -> list[Outcome]:
    """One outcome per environment; those the profile names fail, others warn."""
    if not seen.cards:
        return [not_applicable(NO_GPU)]
    asked = profile.profile.gpu.cuda.environments
    outcomes = [_judge(each, seen, asked=each.path in asked) for each in seen.environments]
    outcomes += [unknown(f"{path}: {why}.", subject=path) for path, why in seen.closed if path in asked]
    return outcomes or [not_applicable("No Python environment with torch was found." + (
        " Name yours in the profile: gpu.cuda.environments." if not asked else ""))]


def _judge(found: Environment, seen: Seen, *, asked: bool) -> Outcome:
    torch, say = found.torch, failed if asked else warned
    if torch is None or not torch.version:
        return unknown(f"{found.path}: torch does not tell its version.", subject=found.path)
    evidence = [Evidence(f"{found.path}/lib/python{found.python}/site-packages/torch/version.py", (
        f"__version__ = {torch.version}", f"cuda = {torch.cuda or None}"))]
    if torch.hip:
        return say(f"{found.path}: torch {torch.version} is built for AMD's ROCm, and the card is NVIDIA's.",
                   subject=found.path, seen=torch.version, expected="a CUDA build", evidence=evidence)
    if not torch.cuda:
        arm = " (on arm64 PyPI had no other up to 2.10)" if seen.architecture == "aarch64" else ""
        return say(f"{found.path}: torch {torch.version} is a build for the CPU{arm}: it does not see the GPU.",
                   subject=found.path, seen="cpu", expected="a CUDA build", evidence=evidence)
    pinned = found.vllm_torch.partition("+")[0]
    if pinned and pinned != torch.version.partition("+")[0]:
        return say(f"{found.path}: vLLM {found.packages['vllm']} was built for torch {pinned}, and {torch.version} is "
                   "installed.", subject=found.path, seen=torch.version, expected=pinned, evidence=evidence,
                   remedy=Remedy(steps=(f"pip install torch=={pinned}", "Or install the vLLM of this torch.")))
    return _judge_build(found.path, torch.version, torch.cuda, seen, evidence, asked=asked)


def _judge_build(path: str, version: str, cuda: str, seen: Seen, evidence: list[Evidence], *, asked: bool) -> Outcome:
    verdicts = judge_torch(version, cuda, seen.architecture, seen.driver,
                           tuple((card.device_id, card.name) for card in seen.cards))
    evidence = [*evidence, Evidence("matrix", tuple(row for verdict in verdicts for row in verdict.rows))]
    wrong = next((verdict for verdict in verdicts if verdict.answer is Answer.NO), None)
    if wrong:
        return (failed if asked else warned)(
            f"{path}: torch {version} (CUDA {cuda}) does not run here: {wrong.says}.", subject=path, seen=version,
            expected="a build for this driver and card", evidence=evidence)
    untold = next((verdict for verdict in verdicts if verdict.answer is Answer.UNKNOWN), None)
    if untold:
        return unknown(f"{path}: torch {version} (CUDA {cuda}): {untold.says.removeprefix('unknown: ')}.",
                       subject=path, evidence=evidence)
    return passed(f"{path}: torch {version} (CUDA {cuda}) fits driver and card.", subject=path, seen=version,
                  evidence=evidence)


CHECK = Check(
    title="Frameworks in Python environments",
    why="A torch for another CUDA, for the CPU only or without code for the card installs without a word and fails, or "
        "computes on the CPU, when the job starts.",
    observe=observe,
    judge=judge,
    level=Level.STANDARD,
    timeout_s=20,
    remedy=Remedy(steps=("Find the build that fits: firstlight matrix solve torch",
                         f"Install it in that environment: pip install torch --index-url {INDEX}/cu130",
                         "On arm64 PyPI's own torch up to 2.10 is always the CPU's.")),
)
