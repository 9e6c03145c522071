"""A Docker Engine is installed, from packages, in a version that can use GPUs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, failed, not_applicable, passed
from agent.machine.docker import find_dockerd, find_snap, observe_info
from agent.model.errors import Unobservable
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile

OLDEST = (19, 3)  # the first with --gpus


class Seen(NamedTuple):
    """Where dockerd and Docker's snap are, None without them; version, "" when the engine does not say."""

    dockerd: str | None
    snap: str | None
    version: str


def observe(machine: Machine, profile: ResolvedProfile) -> Seen | None:
    """Look for the program, and ask the engine for its version while it runs."""
    if not profile.profile.container.docker.enabled:
        return None
    try:
        version = observe_info(machine).version
    except Unobservable:
        version = ""  # whether it answers is docker-service's question
    return Seen(find_dockerd(machine), find_snap(machine), version)


def judge(seen: Seen | None, profile: ResolvedProfile) -> list[Outcome]:
    """Packages, not the snap; 19.03 or newer."""
    if seen is None:
        return [not_applicable("The profile does not ask for Docker.")]
    if seen.snap:
        steps = ("Save the images and volumes you need.", "snap remove docker",
                 "firstlight fix container.docker-engine")
        return [failed("Docker is installed as a snap, which the NVIDIA Container Toolkit cannot use.",
                       seen=seen.snap, expected="Docker Engine from packages", remedy=Remedy("docker",
                                                                                             steps))]
    if not seen.dockerd and not seen.version:
        return [failed("Docker Engine is not installed.", seen="no dockerd", expected="dockerd")]
    where = [Evidence(seen.dockerd or "docker info", (seen.version,) if seen.version else ())]
    numbers = tuple(int(part) for part in seen.version.split(".")[:2] if part.isdigit())
    if numbers and numbers < OLDEST:
        upgrade = Remedy(steps=("Upgrade Docker Engine; containers are not lost by it, but they stop.",))
        return [failed(f"Docker Engine {seen.version} is too old to give GPUs to containers.",
                       seen=seen.version,
                       expected="19.03 or newer", evidence=where, remedy=upgrade)]
    said = f"Docker Engine {seen.version} is installed." if seen.version else "Docker Engine is installed."
    return [passed(said, seen=seen.version or "installed", evidence=where)]


CHECK = Check(
    title="Docker Engine installed",
    why="Every smoke test and every NGC image needs an engine that the NVIDIA Container Toolkit can work "
        "with.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="docker"),
)
