"""The NVIDIA driver by its parts: what is loaded, what lies on disk, and what the next boot will find.

What the checks of this area share. They read files only and need no NVML; gpu.responds asks that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.check import Outcome, not_applicable, unknown
from agent.machine.driver import DriverModule, DriverState, inspect_module, observe_driver
from agent.machine.pci import GIVEN_AWAY, bound_driver, observe_gpus
from agent.machine.systemd import find_container
from agent.matrix.rules import DriverChoice, driver_builds
from agent.matrix.subject import Subject, find_subject
from agent.matrix.tables import Matrix
from agent.model.errors import UsageError
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.machine.secure_boot import Trust
    from agent.model.hardware import PciGpu
    from agent.model.resolved import ResolvedProfile

NO_GPU = "There is no NVIDIA GPU on the PCI bus."
VENDOR = ("Update the system the vendor's way (DGX Dashboard, or apt full-upgrade and fwupdmgr).",)
REBOOT = ("Wait for running jobs to end.", "Reboot.")


class Site(NamedTuple):
    """The cards and the driver; `driver` is None where `why` says why there is none to look at."""

    cards: tuple[PciGpu, ...]
    driver: DriverState | None
    why: str = ""


def observe_site(machine: Machine) -> Site:
    """Look at the driver of a machine that has an NVIDIA GPU for itself."""
    cards = observe_gpus(machine)
    if not cards:
        return Site((), None, NO_GPU)
    container = find_container(machine)
    if container:
        return Site(cards, None, f"This {container} container uses the driver of its host.")
    holders = {bound_driver(machine, card.address) for card in cards}
    if holders <= set(GIVEN_AWAY):
        return Site(cards, None, "The GPUs are handed to virtual machines; this host does not drive them.")
    return Site(cards, observe_driver(machine))


def with_signatures(machine: Machine, driver: DriverState, trust: Trust) -> DriverState:
    """Return the driver with its modules' signers, where the kernel asks for them and they are not proven already."""
    if not trust.enforced or (driver.loaded and driver.next_kernel == driver.running_kernel):
        return driver

    def inspected(module: DriverModule | None) -> DriverModule | None:
        return inspect_module(machine, module) if module else None

    return driver._replace(running=inspected(driver.running), next=inspected(driver.next))


def proven_signer(driver: DriverState) -> tuple[str | None, ...]:
    """Return the signer whose module runs now, which the kernel has therefore accepted; empty when none is."""
    running = driver.running
    return (running.signer,) if running and driver.loaded and running.version == driver.loaded else ()


def without_driver(site: Site) -> list[Outcome]:
    """Return why there is nothing to judge: no card of ours, or no driver (driver.module tells why). Else empty."""
    if site.driver is None:
        return [not_applicable(site.why)]
    if not installed_version(site.driver):
        return [unknown("No NVIDIA driver is installed. See driver.module.")]
    return []


def installed_version(driver: DriverState) -> str:
    """Return the version that is loaded, else the one on disk; empty without any."""
    on_disk = (module.version for module in (driver.running, driver.next) if module)
    return driver.loaded or next((version for version in on_disk if version), "") or driver.library


def find_card(card: PciGpu) -> Subject:
    """Return what the matrix knows of a card; without rows when it knows nothing."""
    found = find_subject(card.device_id, Matrix())
    if found.rows:
        return found
    try:
        return find_subject(card.name, Matrix())
    except UsageError:
        return Subject(card.name)


def repair(profile: ResolvedProfile, *steps: str) -> Remedy:
    """Return what repairs the driver here: the role, the vendor's way, or the steps by hand."""
    if profile.profile.vendor_managed:
        return Remedy(steps=VENDOR)
    return Remedy(role="driver" if profile.profile.gpu.driver.enabled else None, steps=steps)


def modules_of(cards: tuple[PciGpu, ...]) -> str:
    """Return which kernel modules the cards take together: required (open only), unsupported, supported, or ""."""
    told = {find_card(card).modules for card in cards}
    return next((word for word in ("required", "unsupported", "supported") if word in told), "")


def does_not_build(driver: DriverState, kernel: str) -> str:
    """Return why the installed driver does not build for a kernel, empty when no row says so."""
    version = installed_version(driver)
    if not version:
        return ""
    branch = int(version.partition(".")[0])
    verdict = driver_builds(DriverChoice(branch, Matrix().find_driver(branch), version), kernel)
    return verdict.says if verdict else ""


def parts(driver: DriverState) -> list[Evidence]:
    """Return the parts as they were found."""

    def told(module: DriverModule | None, kernel: str) -> str:
        return f"module for {kernel}: {' '.join((module.version or '?', module.flavour)) if module else 'none'}"

    return [Evidence("driver", (
        f"loaded: {' '.join((driver.loaded or 'none', driver.flavour)).rstrip()}",
        f"library: {driver.library_path or 'none'}", told(driver.running, driver.running_kernel),
        told(driver.next, driver.next_kernel)))]
