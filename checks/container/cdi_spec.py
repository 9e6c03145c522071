"""The CDI specification is there, can be read, and speaks of the driver that is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, failed, not_applicable, passed, unknown
from agent.machine.docker import find_program
from agent.machine.toolkit import CDI_FOLDERS, CdiSpec, find_loaded_driver, observe_cdi_specs
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile


class Seen(NamedTuple):
    """The loaded driver's version (None: no driver), the specifications, and whether nvidia-ctk is there."""

    driver: str | None
    specs: tuple[CdiSpec, ...]
    toolkit: bool


def observe(machine: Machine, profile: ResolvedProfile) -> Seen | None:
    """Read the driver's version; the specifications only where there is a driver."""
    toolkit = profile.profile.container.toolkit
    if not (toolkit.enabled and toolkit.cdi):
        return None
    driver = find_loaded_driver(machine)
    specs = observe_cdi_specs(machine) if driver else ()
    return Seen(driver, specs, find_program(machine, "nvidia-ctk") is not None)


def judge(seen: Seen | None, profile: ResolvedProfile) -> list[Outcome]:
    """One readable specification at least, and each of the loaded driver."""
    if seen is None:
        return [not_applicable("The profile does not ask for CDI.")]
    if seen.driver is None:
        return [not_applicable("No NVIDIA driver is loaded, so there is nothing to describe.")]
    if not seen.specs and not seen.toolkit:
        return [unknown("nvidia-ctk is not installed: see container.toolkit-version.")]
    if not seen.specs:
        return [failed(f"There is no CDI specification in {' or '.join(CDI_FOLDERS)}.", seen="none",
                       expected=f"one for driver {seen.driver}",
                       evidence=[Evidence(path) for path in CDI_FOLDERS])]
    return [outcome for spec in seen.specs for outcome in _judged(spec, seen.driver)]


def _judged(spec: CdiSpec, driver: str) -> list[Outcome]:
    if spec.error:
        return [failed(f"{spec.path}: {spec.error}; Docker ignores the file.", subject=spec.path,
                       seen="cannot be used", expected="a CDI specification", evidence=[Evidence(spec.path)])]
    if spec.drivers and driver not in spec.drivers:
        named = ", ".join(spec.drivers)
        return [failed(f"{spec.path} was made for driver {named}, but {driver} is loaded: containers would "
                       f"be given "
                       "libraries that are gone.", subject=spec.path, seen=named, expected=driver,
                       evidence=[Evidence(spec.path)])]
    return [passed(f"{spec.path} describes {len(spec.devices)} devices of driver {driver}.",
                   subject=spec.path,
                   seen=", ".join(spec.devices), evidence=[Evidence(spec.path)])]


CHECK = Check(
    title="CDI specification",
    why="After a driver update an old specification mounts files that no longer exist, and containers do not "
        "start.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="container_toolkit"),
)
