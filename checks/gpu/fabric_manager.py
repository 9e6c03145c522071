"""Where cards are joined by NVSwitches, the fabric manager runs and is of the driver's version."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, failed, not_applicable, passed, unknown
from agent.machine.pci import observe_gpus
from agent.machine.systemd import find_container, observe_units
from agent.model.finding import Evidence, Remedy
from checks.gpu import NO_GPU

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile

UNIT = "nvidia-fabricmanager.service"
NOT_NEEDED = "There is no NVSwitch on this machine: its GPUs need no fabric manager."


class Seen(NamedTuple):
    """`why` says why nothing was looked at. `package` is the installed version, empty when it is not installed."""

    why: str = ""
    switches: tuple[str, ...] = ()
    driver: str = ""
    package: str = ""
    state: str = ""


def observe(machine: Machine, profile: ResolvedProfile) -> Seen:
    """Look for switches first; the rest only where they are, and what it needs is imported there."""
    part, cards = profile.profile.gpu.fabric_manager, observe_gpus(machine)
    if not cards:
        return Seen(NO_GPU)
    if not part.enabled:
        return Seen("The profile does not ask for a fabric manager.")
    container = find_container(machine)
    if container:
        return Seen(f"The fabric manager runs on the host of this {container} container.")
    from agent.machine.nvswitch import observe_switches

    switches = observe_switches(machine, cards)
    if not switches and part.needed != "always":
        return Seen(NOT_NEEDED)
    from agent.machine.driver import loaded_version
    from agent.machine.nvidia_packages import observe_nvidia_packages, upstream_of

    packages = observe_nvidia_packages(machine)
    package = next((upstream_of(found.version) for name, found in packages.items()
                    if name.startswith("nvidia-fabricmanager") and "dev" not in name), "")
    state = observe_units(machine, (UNIT,))[UNIT].get("ActiveState", "")
    return Seen("", switches, loaded_version(machine), package, state)


def judge(seen: Seen, profile: ResolvedProfile) -> list[Outcome]:
    """Installed, of the loaded driver's version, running."""
    if seen.why:
        return [not_applicable(seen.why)]
    evidence = [Evidence("/sys/bus/pci/devices", seen.switches), Evidence(f"systemctl show {UNIT}", (seen.state,))]
    if not seen.package:
        return [failed("The cards are joined by NVSwitches, and no fabric manager is installed: CUDA does not start.",
                       seen="not installed", expected=seen.driver or "the driver's version", evidence=evidence,
                       remedy=_repair(profile, "Install nvidia-fabricmanager of the driver's version."))]
    if not seen.driver:
        return [unknown(f"Fabric manager {seen.package} is installed; no NVIDIA driver is loaded. See driver.module.")]
    if seen.package != seen.driver:
        return [failed(f"The fabric manager is {seen.package}, the loaded driver {seen.driver}: it refuses to start.",
                       seen=seen.package, expected=seen.driver, evidence=evidence, remedy=_repair(
                           profile, f"Install fabric manager {seen.driver}, or reboot if the driver was updated."))]
    if seen.state != "active":
        return [failed(f"The fabric manager is {seen.state or 'unknown'}: CUDA does not start on these cards.",
                       seen=seen.state, expected="active", evidence=evidence, remedy=_repair(
                           profile, f"As root: systemctl enable --now {UNIT}", f"If it fails: journalctl -u {UNIT}"))]
    return [passed(f"Fabric manager {seen.package} runs; it is of the driver's version.", seen=seen.package,
                   expected=seen.driver, evidence=evidence)]


def _repair(profile: ResolvedProfile, *steps: str) -> Remedy:
    return Remedy(role=None if profile.profile.vendor_managed else "fabric_manager", steps=steps)


CHECK = Check(
    title="Fabric manager",
    why="Behind an NVSwitch no CUDA program starts until the fabric manager, of exactly the driver's version, has set "
        "up the links.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="fabric_manager", steps=("Install nvidia-fabricmanager of the driver's version.",)),
)
