"""An upgrade cannot tear the toolkit's four packages apart: they are pinned and held at one version."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, failed, not_applicable, passed, unknown
from agent.machine.toolkit import PIN, find_pinned_version, observe_toolkit_packages
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile


class Seen(NamedTuple):
    """Installed packages by name to version, those of them that are held, and the version our file pins."""

    versions: dict[str, str]
    held: frozenset[str]
    pinned: str | None


def observe(machine: Machine, profile: ResolvedProfile) -> Seen | None:
    """Read dpkg's status and our preferences file."""
    toolkit = profile.profile.container.toolkit
    if not toolkit.enabled or not toolkit.install or profile.profile.vendor_managed:
        return None
    found = observe_toolkit_packages(machine)
    return Seen({name: package.version for name, package in found.items()},
                frozenset(name for name, package in found.items() if package.wanted == "hold"),
                find_pinned_version(machine))


def judge(seen: Seen | None, profile: ResolvedProfile) -> list[Outcome]:
    """What is installed must be held, and at the version that is pinned."""
    if seen is None:
        return [not_applicable("The toolkit's packages are not Firstlight's to hold on this machine.")]
    if not seen.versions:
        return [unknown("The toolkit is not installed: see container.toolkit-version.")]
    evidence = [Evidence("/var/lib/dpkg/status", tuple(f"{name} {'held' if name in seen.held else 'not held'}"
                                                       for name in seen.versions)),
                Evidence(PIN, (f"Pin: version {seen.pinned}",) if seen.pinned else ())]
    outcomes = [failed(f"{name} is not held: an upgrade may move it away from the others.", subject=name,
                       seen="not held", expected="held", evidence=evidence)
                for name in seen.versions if name not in seen.held]
    if seen.pinned is None:
        outcomes.append(failed("No version of the toolkit is pinned.", subject=PIN, seen="no pin",
                               expected=f"Pin: version {next(iter(seen.versions.values()))}",
                               evidence=evidence))
    elif {seen.pinned} != set(seen.versions.values()) and len(set(seen.versions.values())) == 1:
        version = next(iter(seen.versions.values()))
        outcomes.append(failed(f"{seen.pinned} is pinned, but {version} is installed.", subject=PIN,
                               seen=seen.pinned,
                               expected=version, evidence=evidence))
    return outcomes or [passed(f"The toolkit is pinned and held at {seen.pinned}.", seen=seen.pinned or "",
                               evidence=evidence)]


CHECK = Check(
    title="NVIDIA Container Toolkit held",
    why="From 1.18 on the library and the toolkit must have exactly one version; an unattended upgrade of "
        "one breaks "
        "every GPU container.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="container_toolkit"),
)
