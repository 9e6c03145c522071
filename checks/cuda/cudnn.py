"""cuDNN on the host is whole, of one version, for the CUDA in use, and the one the profile wants."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, failed, not_applicable, passed, warned
from agent.machine.cuda import CudnnFiles, observe_cudnn, observe_toolkits
from agent.matrix.version import begins
from agent.model.finding import Evidence, Remedy
from checks.cuda import repair

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile


class Seen(NamedTuple):
    """cuDNN's files and the version of the toolkit in use (empty: none)."""

    files: CudnnFiles
    toolkit: str = ""


def observe(machine: Machine, profile: ResolvedProfile) -> Seen:
    """Look for headers, libraries and packages."""
    used = observe_toolkits(machine).in_use
    return Seen(observe_cudnn(machine), used.version if used else "")


def judge(seen: Seen, profile: ResolvedProfile) -> list[Outcome]:
    """There, one, matching."""
    part, files = profile.profile.gpu.cudnn, seen.files
    wanted = (part.version or "") if part.enabled else ""
    evidence = [Evidence("cuDNN", (f"header: {files.header or 'none'}", *(path for path, _ in files.libraries),
                                   *(f"{name} {version}" for name, version in files.packages)))]
    versions = sorted({version for _, version in files.libraries})
    if not versions and not files.header and not files.packages:
        if not part.enabled:
            return [not_applicable("cuDNN is not installed on the host, and the profile does not ask for it; wheels "
                                   "and containers bring their own.")]
        return [failed(f"cuDNN is not installed; the profile wants {wanted or 'it'}.", seen="none",
                       expected=wanted or "any", evidence=evidence,
                       remedy=repair(profile, "cudnn", "Install cudnn9-cuda-13 (or -12)."))]
    if len(versions) > 1:
        return [failed(f"{len(versions)} versions of cuDNN are on the linker's path: {', '.join(versions)}.",
                       seen=", ".join(versions), expected="one", evidence=evidence,
                       remedy=repair(profile, "cudnn", "Remove the one that nobody asked for."))]
    if not versions:
        return [warned(f"cuDNN {files.header or files.packages[0][1]} has no library where the linker looks.",
                       seen="no libcudnn.so", expected="libcudnn.so.9", evidence=evidence,
                       remedy=repair(profile, "cudnn", "Install libcudnn9-cuda-13 (or -12)."))]
    return [_judge_one(seen, versions[0], wanted, profile, evidence)]


def _judge_one(seen: Seen, version: str, wanted: str, profile: ResolvedProfile, evidence: list[Evidence]) -> Outcome:
    header = seen.files.header
    if wanted and not begins(version, wanted):
        return failed(f"cuDNN {version} is installed; the profile wants {wanted}.", seen=version, expected=wanted,
                      evidence=evidence, remedy=repair(profile, "cudnn", f"Install cuDNN {wanted}."))
    if header and not begins(version, header):
        return failed(f"cuDNN's header says {header}, its library is {version}: what is built here fails when it runs.",
                      seen=header, expected=version, evidence=evidence,
                      remedy=repair(profile, "cudnn", f"Install the headers of cuDNN {version}."))
    majors = {match[1] for name, _ in seen.files.packages if (match := re.search(r"-cuda-(\d+)", name))}
    cuda = seen.toolkit.partition(".")[0]
    if majors and cuda and cuda not in majors:
        return warned(f"cuDNN {version} is built for CUDA {', '.join(sorted(majors))}, the toolkit in use is "
                      f"{seen.toolkit}.", seen=", ".join(sorted(majors)), expected=cuda, evidence=evidence,
                      remedy=repair(profile, "cudnn", f"Install cudnn{version[0]}-cuda-{cuda}."))
    return passed(f"cuDNN {version} is installed.", seen=version, expected=wanted, evidence=evidence)


CHECK = Check(
    title="cuDNN",
    why="A second cuDNN on the host is picked up in place of the one a framework brings, and fails in ways that look "
        "like a broken card.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="cudnn"),
)
