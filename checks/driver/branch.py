"""The driver is of the branch the profile wants, and that branch is still looked after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.check import Check, Outcome, failed, passed, warned
from agent.matrix.tables import Matrix
from agent.model.finding import Remedy
from checks.driver import Site, installed_version, observe_site, parts, repair, without_driver

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.matrix.rows import Driver
    from agent.model.resolved import ResolvedProfile


def observe(machine: Machine, profile: ResolvedProfile) -> Site:
    """Look at the driver."""
    return observe_site(machine)


def judge(seen: Site, profile: ResolvedProfile) -> list[Outcome]:
    """The profile's branch first; then whether security fixes still come."""
    gone = without_driver(seen)
    if gone or seen.driver is None:
        return gone
    version, evidence = installed_version(seen.driver), parts(seen.driver)
    branch, wanted = int(version.partition(".")[0]), profile.profile.gpu.driver.branch
    if wanted and branch != int(wanted):
        return [failed(f"The driver is {version}; the profile wants branch {wanted}.", seen=str(branch),
                       expected=wanted, evidence=evidence,
                       remedy=repair(profile, f"Install branch {wanted} of the driver, then reboot."))]
    row = Matrix().find_driver(branch)
    if row is not None and row.ended:
        since = f" ({row.end_of_life})" if row.end_of_life else ""
        return [warned(f"Driver branch {branch} has ended{since}: it gets no fixes any more, not even for security.",
                       seen=version, expected=f"a supported branch: {_supported()}", evidence=evidence,
                       remedy=Remedy(steps=(f"Set gpu.driver.branch in the profile to one of {_supported()}.",)))]
    return [passed(f"Driver {version}: branch {branch}{_told(row)}.", seen=str(branch), expected=wanted or "",
                   evidence=evidence)]


def _supported() -> str:
    return ", ".join(str(row.branch) for row in Matrix().drivers if row.ended is False)


def _told(row: Driver | None) -> str:
    if row is None:
        return ", of which our tables know nothing"
    kind = f", {row.kind}" if row.kind else ""
    return kind + (f", supported to {row.end_of_life}" if row.end_of_life and row.ended is False else "")


CHECK = Check(
    title="Driver branch",
    why="CUDA, frameworks and the vendor's support follow the branch; a branch that ended gets no security fixes.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="driver"),
)
