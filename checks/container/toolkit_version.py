"""The four packages of the NVIDIA Container Toolkit are there, of one version, without known flaws."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.check import Check, Outcome, failed, not_applicable, passed, warned
from agent.machine.toolkit import PACKAGES, observe_toolkit_packages, upstream
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.machine.apt import Package
    from agent.model.profile import ContainerToolkit
    from agent.model.resolved import ResolvedProfile

# CVE: the first version without it. Source: NVIDIA's security bulletins 5582, 5616, 5659 and 5850.
FIXED = {
    "CVE-2024-0132": "1.16.2",
    "CVE-2025-23359": "1.17.4",
    "CVE-2025-23266": "1.17.8",
    "CVE-2025-23267": "1.17.8",
    "CVE-2026-24260": "1.19.1",
}
VENDOR = Remedy(steps=("Update the system the vendor's way (DGX Dashboard, or apt full-upgrade and "
                       "fwupdmgr).",))

Seen = dict[str, str]


def observe(machine: Machine, profile: ResolvedProfile) -> Seen | None:
    """Read the versions of the four packages from dpkg's own file."""
    if not profile.profile.container.toolkit.enabled:
        return None
    found: dict[str, Package] = observe_toolkit_packages(machine)
    return {name: package.version for name, package in found.items()}


def known_flaws(version: str) -> list[str]:
    """Return the CVEs that a version of the toolkit has."""
    return [cve for cve, fixed in FIXED.items() if upstream(version) < upstream(fixed)]


def judge(seen: Seen | None, profile: ResolvedProfile) -> list[Outcome]:
    """All four, one version, the one that is asked for, no older than the profile's minimum."""
    if seen is None:
        return [not_applicable("The profile does not ask for the NVIDIA Container Toolkit.")]
    toolkit, vendor = profile.profile.container.toolkit, profile.profile.vendor_managed
    ours = toolkit.install and not vendor
    if not seen and not ours:
        return [not_applicable("No package of the toolkit is installed, and they are not Firstlight's to "
                               "install.")]
    evidence = [Evidence("/var/lib/dpkg/status", tuple(f"{name} "
                                                       f"{seen.get(name, 'absent')}" for name in PACKAGES))]
    problem, expected = _problem(seen, toolkit)
    listed = ", ".join(sorted(set(seen.values()))) or "absent"
    if problem:
        remedy = None if ours else VENDOR if vendor else Remedy(steps=("Upgrade the four packages "
                                                                       "together.",))
        return [failed(problem, seen=listed, expected=expected, evidence=evidence, remedy=remedy)]
    flaws = known_flaws(listed)
    if flaws:
        steps = (f"Set container.toolkit.min_version to {FIXED[flaws[-1]]} in the profile.",
                 "firstlight apply --only container_toolkit")
        return [warned(f"NVIDIA Container Toolkit {listed} has {', '.join(flaws)}.", seen=listed,
                       expected=f"{FIXED[flaws[-1]]} or newer", evidence=evidence,
                       remedy=Remedy(steps=steps))]
    return [passed(f"NVIDIA Container Toolkit {listed} is installed, all four packages.", seen=listed,
                   expected=expected, evidence=evidence)]


def _problem(seen: Seen, toolkit: ContainerToolkit) -> tuple[str, str]:
    """Return (what is wrong or "", what is expected)."""
    missing = [name for name in PACKAGES if name not in seen]
    if missing:
        return f"Not installed: {', '.join(missing)}.", "all four packages"
    versions = sorted(set(seen.values()))
    if len(versions) > 1:
        return f"The four packages have {len(versions)} versions: {', '.join(versions)}.", "one version"
    found, wanted, oldest = versions[0], toolkit.version, toolkit.min_version
    if wanted and wanted not in {found, found.rpartition("-")[0]}:
        return f"NVIDIA Container Toolkit is {found}; the profile wants {wanted}.", wanted
    if not wanted and oldest and upstream(found) < upstream(oldest):
        flaws = ", ".join(known_flaws(found))
        return (f"NVIDIA Container Toolkit {found} is older than {oldest}" + (f" and has "
                                                                              f"{flaws}." if flaws else "."),
                f"{oldest} or newer")
    return "", oldest


CHECK = Check(
    title="NVIDIA Container Toolkit version",
    why="The toolkit runs as root for every GPU container; its known flaws let a container take over the "
        "machine, "
        "and mixed versions of its parts do not work together.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="container_toolkit"),
)
