"""The driver's packages are of one version and one source, and an upgrade does not move the branch."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.check import Check, Outcome, failed, not_applicable, passed, warned
from agent.machine.nvidia_packages import (
    observe_nvidia_packages,
    pinning_files,
    upstream_of,
    uses_nvidia_repository,
)
from agent.model.errors import Missing
from agent.model.finding import Evidence, Remedy
from checks.driver import Site, observe_site, repair, without_driver

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.machine.apt import Package
    from agent.model.resolved import ResolvedProfile

# What must be of the module's version: modules, CUDA and NVML libraries, nvidia-smi. Compat and legacy are others.
CORE = re.compile(r"libcuda1|libnvidia-ml1|nvidia-smi|libnvidia-compute(-\d+.*)?|"
                  r"nvidia-(kernel|open-kernel|kernel-open)-dkms|nvidia-(dkms|driver|utils|headless|compute-utils|kernel-source)(-(\d|open|cuda).*)?|nvidia-open"
                  r"(-\d+)?|cuda-drivers(-\d+)?")
BRANCHED = re.compile(r"-(\d{3})(-server)?(-open)?$")
INSTALLER = "/usr/bin/nvidia-uninstall"


@dataclass(frozen=True, slots=True)
class Seen:
    """The core packages by name; whether an installer of NVIDIA's was run; where packages come from; pins."""

    site: Site
    core: dict[str, Package] = field(default_factory=dict)
    installer: bool = False
    repository: bool = False
    pinned: tuple[str, ...] = ()
    dpkg: bool = True


def observe(machine: Machine, profile: ResolvedProfile) -> Seen:
    """Read dpkg's file and apt's sources and preferences."""
    site = observe_site(machine)
    if site.driver is None:
        return Seen(site)
    try:
        packages = observe_nvidia_packages(machine)
    except Missing:
        return Seen(site, dpkg=False)
    core = {name: package for name, package in packages.items() if CORE.fullmatch(name)}
    pins = [name for name in packages if name.startswith("nvidia-driver-pinning")]
    pins += ["/etc/apt/preferences.d"] if pinning_files(machine) else []
    pins += [f"{name} on hold" for name, package in core.items() if package.wanted == "hold"]
    return Seen(site, core, machine.exists(INSTALLER), uses_nvidia_repository(machine), tuple(pins))


def judge(seen: Seen, profile: ResolvedProfile) -> list[Outcome]:
    """Mixed first, then loose."""
    gone = without_driver(seen.site)
    if gone or seen.site.driver is None:
        return gone
    if not seen.dpkg:
        return [not_applicable("This machine has no dpkg.")]
    evidence = [Evidence("/var/lib/dpkg/status", tuple(f"{name} {package.version}"
                                                       for name, package in seen.core.items()))]
    if seen.installer or not seen.core:
        return [_judge_installer(seen, evidence)]
    versions = sorted({upstream_of(package.version) for package in seen.core.values()} - {""})
    # cuda-drivers and such carry the driver's version; a meta package of the distribution may carry its own.
    if len({version for version in versions if version.count(".") >= 1}) > 1:
        return [failed(f"Packages of {len(versions)} drivers are mixed: {', '.join(versions)}.",
                       seen=", ".join(versions), expected="one version", evidence=evidence,
                       remedy=repair(profile, "Remove the packages of the other version: apt list --installed | grep "
                                     "nvidia", "apt install -f, then reboot."))]
    families = {match[2] or "" for name in seen.core if (match := BRANCHED.search(name))}
    if len(families) > 1:
        return [failed("Packages of the server and of the desktop series are mixed.", seen="both", expected="one",
                       evidence=evidence, remedy=repair(profile, "Remove those of one series, then apt install -f."))]
    return [_judge_loose(seen, profile, versions, evidence)]


def _judge_installer(seen: Seen, evidence: list[Evidence]) -> Outcome:
    steps = ("As root: nvidia-uninstall", "Install the packages of the driver.", "Reboot.")
    if seen.installer and seen.core:
        return failed("A .run installer was run over the driver's packages: each upgrade breaks one of them.",
                      seen=INSTALLER, expected="packages only", evidence=evidence, remedy=Remedy(steps=steps))
    return warned("The driver was not installed from packages: no kernel update builds it and nothing updates it.",
                  seen=INSTALLER if seen.installer else "no package", expected="packages", evidence=evidence,
                  remedy=Remedy(steps=steps))


def _judge_loose(seen: Seen, profile: ResolvedProfile, versions: list[str], evidence: list[Evidence]) -> Outcome:
    suffixed = any(BRANCHED.search(name) for name in seen.core)
    if seen.repository and not suffixed and not seen.pinned and not profile.profile.vendor_managed:
        return warned("Nothing keeps the driver on its branch: the next upgrade from NVIDIA's repository may bring "
                      "another one.", seen="not pinned", expected="nvidia-driver-pinning-BRANCH", evidence=evidence,
                      remedy=repair(profile, f"As root: apt install nvidia-driver-pinning-{versions[0][:3]}"))
    how = f"kept by {seen.pinned[0]}" if seen.pinned else "kept by their names" if suffixed else \
        "the distribution's own" if not seen.repository else "the vendor's"
    return passed(f"The driver's packages are of one version, {versions[0] if versions else '?'}, {how}.",
                  seen=", ".join(versions), evidence=evidence)


CHECK = Check(
    title="Driver packages",
    why="Packages of two versions, two series or an installer beside them end in “Driver/library version mismatch”; "
        "an unpinned branch moves by itself.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="driver"),
)
