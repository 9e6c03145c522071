"""nvcc is there, found first, and works with the system's compiler."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, failed, not_applicable, passed, warned
from agent.machine.cuda import LINK, Toolkits, find_gcc, observe_toolkits
from agent.machine.linker import observe_login_files
from agent.matrix.tables import Matrix
from agent.matrix.version import begins, short
from agent.model.finding import Evidence, Remedy
from checks.cuda import NONE_ASKED, repair

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.machine.cuda import Toolkit
    from agent.model.resolved import ResolvedProfile


class Seen(NamedTuple):
    """`gcc` is its major version (None: no gcc); `paths` the login files that name the toolkit's folder."""

    toolkits: Toolkits
    gcc: int | None = None
    paths: tuple[str, ...] = ()


def observe(machine: Machine, profile: ResolvedProfile) -> Seen:
    """Look at files only; nvcc is not run."""
    toolkits = observe_toolkits(machine)
    if toolkits.in_use is None:
        return Seen(toolkits)
    files = tuple(path for path, text in observe_login_files(machine) if LINK in text)
    return Seen(toolkits, find_gcc(machine), files)


def judge(seen: Seen, profile: ResolvedProfile) -> list[Outcome]:
    """About the toolkit in use."""
    used = seen.toolkits.in_use
    if used is None:
        why = NONE_ASKED if not seen.toolkits.found and not profile.profile.gpu.cuda.enabled else \
            "No CUDA toolkit is chosen. See cuda.toolkit."
        return [not_applicable(why)]
    evidence = [Evidence(f"{used.path}/bin/nvcc", ("there" if used.nvcc else "absent",)),
                Evidence("gcc", (str(seen.gcc or "none"),)), Evidence("PATH", seen.paths)]
    if not used.nvcc:
        return [failed(f"CUDA {used.version} has no nvcc: only its libraries are installed.", seen="absent",
                       expected="nvcc", evidence=evidence, remedy=repair(
                           profile, "cuda", f"Install cuda-nvcc-{short(used.version or '13.0').replace('.', '-')}."))]
    return [_judge_compiler(seen, used, profile, evidence)]


def _judge_compiler(seen: Seen, used: Toolkit, profile: ResolvedProfile, evidence: list[Evidence]) -> Outcome:
    newest = _newest_gcc(used.version)
    if seen.gcc is None:
        return warned(f"nvcc {used.version} is there and gcc is not: nothing can be compiled.", seen="no gcc",
                      expected="gcc", evidence=evidence, remedy=Remedy(steps=("Install gcc and g++.",)))
    if newest and seen.gcc > newest:
        return warned(f"nvcc {used.version} takes gcc up to {newest}; the system's is {seen.gcc}.", seen=str(seen.gcc),
                      expected=f"{newest} or older", evidence=evidence, remedy=Remedy(steps=(
                          f"Install gcc-{newest} and g++-{newest} and build with nvcc -ccbin g++-{newest}.",)))
    other = next((each for each in seen.toolkits.found if each.path == "/usr" and each != used and each.nvcc), None)
    if other:
        return warned(f"/usr/bin/nvcc is the distribution's {other.version}, the chosen toolkit is {used.version}: "
                      "PATH decides which one is used.", seen=other.version, expected=used.version, evidence=evidence,
                      remedy=Remedy(steps=("Remove the package nvidia-cuda-toolkit.",)))
    ours = profile.profile.gpu.cuda.enabled and not profile.profile.vendor_managed
    if used.path != "/usr" and not seen.paths and ours:
        return warned(f"nvcc {used.version} is not in PATH: no login file names {LINK}/bin.", seen="not in PATH",
                      expected=f"{LINK}/bin", evidence=evidence, remedy=repair(
                          profile, "cuda", f"Write /etc/profile.d/cuda.sh: export PATH=\"$PATH:{LINK}/bin\""))
    return passed(f"nvcc {used.version} is there and works with gcc {seen.gcc}.", seen=used.version, evidence=evidence)


def _newest_gcc(version: str) -> int | None:
    """Return the newest gcc a toolkit takes; None when no row says."""
    if not version:
        return None
    rows = [row for row in Matrix().table("cuda") if begins(row.version, version) and row.gcc_max]
    return rows[0].gcc_max if rows else None


CHECK = Check(
    title="nvcc",
    why="Building flash-attention, vLLM or any extension needs the chosen nvcc first in PATH and a compiler it "
        "accepts.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="cuda"),
)
