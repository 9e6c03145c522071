"""No container restarts over and over, and none calls itself unhealthy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.check import Check, Outcome, not_applicable, passed, warned
from agent.machine.docker import PS_ARGV, ContainerLine, observe_containers, observe_info
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile

Seen = tuple[ContainerLine, ...]


def observe(machine: Machine, profile: ResolvedProfile) -> Seen | None:
    """List the containers, when the engine has any."""
    if not profile.profile.container.docker.enabled:
        return None
    return observe_containers(machine) if observe_info(machine).containers else ()


def judge(seen: Seen | None, profile: ResolvedProfile) -> list[Outcome]:
    """Warn: whose container it is and what it should do is not the profile's business."""
    if seen is None:
        return [not_applicable("The profile does not ask for Docker.")]
    ill = [one for one in seen if one.state == "restarting" or "(unhealthy)" in one.status]
    if not ill:
        return [passed(f"None of {len(seen)} containers restarts in a loop or is unhealthy.")]
    return [warned(f"Container {one.name}: {one.status}.", subject=one.name, seen=one.status,
                   expected="Up, healthy",
                   evidence=[Evidence(" ".join(PS_ARGV[:3]), (f"{one.name}: {one.status}",))],
                   remedy=Remedy(steps=(f"docker logs --tail 100 {one.name}", f"docker inspect {one.name}")))
            for one in ill]


CHECK = Check(
    title="Containers in trouble",
    why="A container in a restart loop holds a GPU and fills the log; nobody looks until the next job fails.",
    observe=observe,
    judge=judge,
)
