"""The driver is loaded, and module, library and module file are of one version; when not, the cause is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, failed, not_applicable, passed, warned
from agent.machine.driver import find_library, loaded_version, version_of
from agent.machine.loading import Clues, find_cause, observe_clues
from agent.model.finding import Evidence, Remedy
from checks.driver import NO_GPU, REBOOT, Site, does_not_build, modules_of, observe_site, parts, repair

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.machine.driver import DriverState
    from agent.model.resolved import ResolvedProfile


class Seen(NamedTuple):
    """`idle` is the version of a driver on a machine without a card; `clues` are looked for when none is loaded."""

    site: Site
    idle: str = ""
    clues: Clues | None = None


def observe(machine: Machine, profile: ResolvedProfile) -> Seen:
    """Look at the parts; look for the cause only when no module is loaded."""
    site = observe_site(machine)
    if not site.cards:
        return Seen(site, loaded_version(machine) or version_of(find_library(machine)))
    if site.driver is None or site.driver.loaded:
        return Seen(site)
    return Seen(site, clues=observe_clues(machine, site.driver))


def judge(seen: Seen, profile: ResolvedProfile) -> list[Outcome]:
    """One outcome about the whole."""
    driver = seen.site.driver
    if driver is None:
        idle = f"{NO_GPU[:-1]}; driver {seen.idle} is installed all the same." if seen.idle else seen.site.why
        return [not_applicable(idle)]
    evidence = parts(driver)
    if driver.loaded:
        return [_judge_loaded(driver, profile, evidence)]
    if seen.clues is None:
        raise ValueError("no clues were looked for")
    cause = find_cause(driver, seen.clues, modules_of(seen.site.cards), does_not_build(driver, driver.running_kernel))
    if seen.clues.log:
        evidence.append(Evidence("kernel log", seen.clues.log))
    remedy = repair(profile, *cause.steps) if cause.by_role else Remedy(steps=cause.steps)
    return [failed(f"No NVIDIA driver is loaded: {cause.says}.", seen="not loaded", expected="loaded",
                   evidence=evidence, remedy=remedy)]


def _judge_loaded(driver: DriverState, profile: ResolvedProfile, evidence: list[Evidence]) -> Outcome:
    loaded, library, on_disk = driver.loaded, driver.library, driver.running
    if not driver.library_path:
        return failed(f"Driver {loaded} is loaded, but its library libnvidia-ml.so.1 is not installed.", seen="none",
                      expected=loaded, evidence=evidence,
                      remedy=repair(profile, f"Install the libraries of driver {loaded}."))
    if library and library != loaded:
        following = driver.next.version if driver.next else "missing"
        helps = following in (library, "")
        says = "a reboot ends it" if helps else f"a reboot does not help, its module would be {following}"
        return failed(f"The loaded driver is {loaded}, its library is {library}: CUDA does not start; {says}.",
                      seen=loaded, expected=library, evidence=evidence,
                      remedy=Remedy(steps=REBOOT) if helps else
                      repair(profile, f"Install the module of {library} for kernel {driver.next_kernel}.", *REBOOT))
    if on_disk is None:
        return warned(f"Driver {loaded} is loaded, but its file for kernel {driver.running_kernel} is gone: once "
                      "unloaded it cannot come back.", seen="no file", expected=loaded, evidence=evidence,
                      remedy=repair(profile, f"Install the module of {loaded} for kernel {driver.running_kernel}."))
    if on_disk.version and on_disk.version != loaded:
        return warned(f"Driver {loaded} is loaded, the module on disk is {on_disk.version}: it works until the driver "
                      "is loaded again.", seen=on_disk.version, expected=loaded, evidence=evidence,
                      remedy=repair(profile, "Bring module and libraries to one version.", *REBOOT))
    return passed(f"Driver {loaded} is loaded; library and module file are of the same version.", seen=loaded,
                  evidence=evidence)


CHECK = Check(
    title="Driver module",
    why="A driver that is not loaded, or not of its library's version, is the usual reason for a GPU that vanished "
        "overnight.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="driver"),
)
