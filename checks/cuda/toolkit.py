"""The CUDA toolkit the profile wants is installed, and /usr/local/cuda chooses it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.check import Check, Outcome, failed, not_applicable, passed, warned
from agent.machine.cuda import LINK, Toolkits, observe_toolkits
from agent.matrix.version import begins
from agent.model.finding import Evidence, Remedy
from checks.cuda import NONE_ASKED, repair

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile


def observe(machine: Machine, profile: ResolvedProfile) -> Toolkits:
    """Look under /usr/local and into dpkg's file."""
    return observe_toolkits(machine)


def judge(seen: Toolkits, profile: ResolvedProfile) -> list[Outcome]:
    """Installed, chosen, and what the link points to is there."""
    part = profile.profile.gpu.cuda
    wanted = (part.toolkit or "") if part.enabled else ""
    evidence = [Evidence(LINK, (f"-> {seen.link}" if seen.link else "absent",)),
                Evidence("toolkits", tuple(f"{each.path} {each.version}" for each in seen.found))]
    listed = ", ".join(each.version or each.path for each in seen.found)
    if seen.link and seen.chosen is None:
        return [failed(f"{LINK} points to {seen.link}, which is no CUDA toolkit.", seen=seen.link,
                       expected="a toolkit", evidence=evidence, remedy=repair(
                           profile, "cuda", "Choose one that is there: update-alternatives --config cuda"))]
    if not seen.found:
        if not part.enabled:
            return [not_applicable(NONE_ASKED)]
        return [failed(f"No CUDA toolkit is installed; the profile wants {wanted or 'one'}.", seen="none",
                       expected=wanted, evidence=evidence, remedy=repair(
                           profile, "cuda", f"Install cuda-toolkit-{(wanted or '13.0').replace('.', '-')}."))]
    fitting = [each for each in seen.found if each.version and begins(each.version, wanted)]
    if wanted and not fitting:
        return [failed(f"CUDA {listed} is installed; the profile wants {wanted}.", seen=listed, expected=wanted,
                       evidence=evidence,
                       remedy=repair(profile, "cuda", f"Install cuda-toolkit-{wanted.replace('.', '-')}."))]
    used = seen.in_use
    if used is None:
        return [warned(f"CUDA {listed} is installed, but there is no {LINK}: builds do not find it.", seen="no link",
                       expected=LINK, evidence=evidence, remedy=repair(
                           profile, "cuda", f"As root: ln -s {seen.found[-1].path} {LINK}"))]
    if wanted and used not in fitting:
        return [failed(f"CUDA {used.version} is chosen; the profile wants {wanted}, which is there too.",
                       seen=used.version, expected=wanted, evidence=evidence, remedy=repair(
                           profile, "cuda", f"update-alternatives --set cuda {fitting[0].path}"))]
    others = [each.version or each.path for each in seen.found if each != used]
    beside = f"; also there: {', '.join(others)}" if others else ""
    return [passed(f"CUDA {used.version or 'of unknown version'} is chosen ({used.path}){beside}.", seen=used.version,
                   expected=wanted, evidence=evidence)]


CHECK = Check(
    title="CUDA toolkit",
    why="Whoever compiles on this machine gets the toolkit behind /usr/local/cuda; an upgrade that moves it changes "
        "everybody's build.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="cuda"),
)
