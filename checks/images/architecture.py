"""The images that are here are for this CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Level, Outcome, failed, not_applicable, passed, unknown, warned
from agent.images.catalogue import load_catalogue
from agent.images.fit import DOCKER_NAMES, find_relative, find_replacement, observe_host
from agent.images.reference import parse_reference
from agent.machine.docker import engine_runs
from agent.machine.docker_images import (
    LIST_ARGV,
    ContainerUse,
    LocalImage,
    observe_images,
    observe_uses,
    uses,
)
from agent.machine.hardware import observe_hardware
from agent.matrix.tables import Matrix
from agent.model.errors import UsageError
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile


class Seen(NamedTuple):
    """The host's CPU (docker's word), the images, who uses which, and what to run instead, by image id.

    An image without a tag counts only while a container runs it.
    """

    runs: bool
    host: str = ""
    images: tuple[LocalImage, ...] = ()
    containers: tuple[ContainerUse, ...] = ()
    instead: tuple[tuple[str, str], ...] = ()


def observe(machine: Machine, profile: ResolvedProfile) -> Seen | None:
    """Ask the engine while it runs; the catalogue only about an image that is wrong."""
    if not profile.profile.container.docker.enabled:
        return None
    if not engine_runs(machine):
        return Seen(False)
    word = machine.run(["uname", "-m"]).out.strip()
    host, images = DOCKER_NAMES.get(word, word), observe_images(machine)
    containers = observe_uses(machine) if any(_foreign(image, host) for image in images) else ()
    images = tuple(image for image in images if image.names or _users(image, containers))
    instead = tuple((image.id, _replacement(machine, image)) for image in images if _foreign(image, host))
    return Seen(True, host, images, containers, instead)


def _foreign(image: LocalImage, host: str) -> bool:
    return image.system == "linux" and image.architecture not in ("", host)


def _users(image: LocalImage, containers: Iterable[ContainerUse]) -> list[str]:
    return [container.name for container in containers if container.running and uses(container, image)]


def _name(image: LocalImage) -> str:
    """Return what docker calls an image: its tag, its digest, or the number of one that has lost its tag."""
    return next(iter((*image.names, *image.digests)), image.id.removeprefix("sha256:")[:12])


def _replacement(machine: Machine, image: LocalImage) -> str:
    """Return the reference of the catalogue's replacement, empty when it knows none."""
    catalogue, matrix = load_catalogue(), Matrix()
    try:
        entry = find_relative(parse_reference(_name(image)), catalogue)
    except UsageError:
        return ""
    if entry is None:
        return ""
    host = observe_host(machine, observe_hardware(machine), matrix)
    if host.architecture in entry.architectures:
        return f"the same image with --platform linux/{host.architecture}"
    found = find_replacement(entry, catalogue, host, matrix)
    return found.reference if found else ""


def judge(seen: Seen | None, profile: ResolvedProfile) -> list[Outcome]:
    """None for another CPU, but for those the profile keeps on purpose; one that is used fails, else warns."""
    if seen is None:
        return [not_applicable("The profile does not ask for Docker.")]
    if not seen.runs:
        return [unknown("Docker does not run: see container.docker-service.")]
    accepted, instead = set(profile.profile.images.foreign), dict(seen.instead)
    wrong = [image for image in seen.images if _foreign(image, seen.host) and not accepted & set(image.names)]
    outcomes = [_wrong(image, seen, instead.get(image.id, "")) for image in wrong]
    if outcomes:
        return outcomes
    count = len(seen.images)
    return [passed(f"All {count} images that are here are for {seen.host}." if count else "There are no images.",
                   seen=str(count), evidence=[Evidence(" ".join(LIST_ARGV))])]


def _wrong(image: LocalImage, seen: Seen, instead: str) -> Outcome:
    name, users = _name(image), _users(image, seen.containers)
    other = instead or f"the same image with --platform linux/{seen.host}, if its makers publish it"
    remedy = Remedy(steps=(
        f"Use {other}: firstlight images verify says whether it is there.", f"docker image rm {name}",
        f"If it is here on purpose (emulation), name it in the profile: images.foreign: [{name}]",
    ))
    evidence = [Evidence("docker image inspect", (f"{name}: {image.architecture}",))]
    if users:
        return failed(f"{name} is for {image.architecture}, and {', '.join(users)} runs it on {seen.host}.",
                      subject=name, seen=image.architecture, expected=seen.host, evidence=evidence, remedy=remedy)
    return warned(f"{name} is for {image.architecture}; on this {seen.host} machine it ends in "
                  '"exec format error".', subject=name, seen=image.architecture, expected=seen.host,
                  evidence=evidence, remedy=remedy)


CHECK = Check(
    title="Images are for this CPU",
    why="An image for another CPU does not start, or crawls under emulation; on GB10 (arm64) it is the most "
        "common first failure.",
    level=Level.STANDARD,
    observe=observe,
    judge=judge,
)
