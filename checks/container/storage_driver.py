"""Docker keeps images with a storage driver that is quick and maintained."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, not_applicable, passed, warned
from agent.machine.docker import INFO_ARGV, observe_info
from agent.model.errors import Unobservable
from agent.model.finding import Evidence, Remedy
from agent.model.units import format_size

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile

POOR = {
    "vfs": "copies every layer in full: a 20 GB image takes 20 GB again for each layer and container",
    "devicemapper": "was removed from Docker 25",
    "aufs": "was removed from Docker 24",
    "overlay": "was removed from Docker 24",
}


class Seen(NamedTuple):
    """Driver, data root, and the room where it lies (bytes; None when it cannot be measured)."""

    driver: str
    data_root: str
    available_bytes: int | None


def observe(machine: Machine, profile: ResolvedProfile) -> Seen | None:
    """Ask the engine; how full the disk is, is judged by storage.disk-space."""
    if not profile.profile.container.docker.enabled:
        return None
    info = observe_info(machine)
    try:
        available = machine.space(info.data_root).available_bytes
    except Unobservable:
        available = None
    return Seen(info.storage_driver, info.data_root, available)


def judge(seen: Seen | None, profile: ResolvedProfile) -> list[Outcome]:
    """Anything but the slow and the dead."""
    if seen is None:
        return [not_applicable("The profile does not ask for Docker.")]
    room = "" if seen.available_bytes is None else f", {format_size(seen.available_bytes)} free"
    evidence = [Evidence(" ".join(INFO_ARGV), (f"Driver: {seen.driver}",
                                               f"DockerRootDir: {seen.data_root}{room}"))]
    if seen.driver in POOR:
        steps = ("Save the images you need: another driver does not see them.",
                 "Move the data root to ext4, or to XFS made with ftype=1; set storage-driver to overlay2.")
        return [warned(f"Docker uses the storage driver {seen.driver}, which {POOR[seen.driver]}.",
                       seen=seen.driver,
                       expected="overlay2", evidence=evidence, remedy=Remedy(steps=steps))]
    return [passed(f"Docker uses {seen.driver} in {seen.data_root}{room}.", seen=seen.driver,
                   evidence=evidence)]


CHECK = Check(
    title="Docker storage driver",
    why="NGC images have 20 GB and more; a driver that copies instead of layering fills the disk and takes "
        "hours.",
    observe=observe,
    judge=judge,
)
