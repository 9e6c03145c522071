"""Docker leaves the cgroup tree to systemd where systemd is its only owner (cgroup v2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.check import Check, Outcome, not_applicable, passed, warned
from agent.machine.docker import INFO_ARGV, observe_info
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile

Seen = tuple[str, str]


def observe(machine: Machine, profile: ResolvedProfile) -> Seen | None:
    """Return the engine's cgroup driver and version."""
    if not profile.profile.container.docker.enabled:
        return None
    info = observe_info(machine)
    return info.cgroup_driver, info.cgroup_version


def judge(seen: Seen | None, profile: ResolvedProfile) -> list[Outcome]:
    """Driver systemd on cgroup v2; on v1 either works."""
    if seen is None:
        return [not_applicable("The profile does not ask for Docker.")]
    driver, version = seen
    evidence = [Evidence(" ".join(INFO_ARGV), (f"CgroupDriver: {driver}", f"CgroupVersion: {version}"))]
    if version == "2" and driver != "systemd":
        steps = ('Take native.cgroupdriver out of exec-opts in daemon.json, or set it to "systemd".',
                 "systemctl restart docker (it stops the containers)")
        return [warned(f"Docker uses the cgroup driver {driver} on cgroup v2: limits of slices do not reach "
                       f"its "
                       "containers.", seen=driver, expected="systemd", evidence=evidence,
                       remedy=Remedy(steps=steps))]
    return [passed(f"Docker uses the cgroup driver {driver} on cgroup v{version}.", seen=driver,
                   evidence=evidence)]


CHECK = Check(
    title="Docker cgroup driver",
    why="Two owners of one cgroup tree: memory limits are set by one and forgotten by the other.",
    observe=observe,
    judge=judge,
)
