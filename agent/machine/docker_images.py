"""Images and containers as the engine shows them: for which CPU they are, and which containers are given a GPU."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.machine.docker import PS_ARGV
from agent.model.errors import Unobservable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.machine.api import Machine

LIST_ARGV = ("docker", "image", "ls", "--all", "--no-trunc", "--quiet")
FORMAT = "{{.Id}}\t{{.Os}}\t{{.Architecture}}\t{{json .RepoTags}}\t{{json .RepoDigests}}"
CONTAINER_FORMAT = ("{{.Id}}\t{{.Name}}\t{{.State.Pid}}\t{{.State.StartedAt}}\t{{.HostConfig.Runtime}}\t"
                    "{{json .HostConfig.DeviceRequests}}\t{{json .HostConfig.Devices}}\t{{json .Config.Env}}")
_NOBODY = {"", "void", "none"}


class LocalImage(NamedTuple):
    """An image that is here. `architecture` is docker's word; `names` are its tags, empty for a dangling one."""

    id: str
    system: str
    architecture: str
    names: tuple[str, ...]
    digests: tuple[str, ...]


class ContainerUse(NamedTuple):
    """A container and the image it names (a tag, a digest, or the image's id)."""

    name: str
    running: bool
    image: str


class GpuContainer(NamedTuple):
    """A running container that was given a GPU. `started` in seconds since the epoch."""

    id: str
    name: str
    pid: int
    started: float


def inspect_argv(ids: Sequence[str]) -> tuple[str, ...]:
    """Return the command that shows images."""
    return ("docker", "image", "inspect", "--format", FORMAT, *ids)


def observe_images(machine: Machine) -> tuple[LocalImage, ...]:
    """Return the images that are here, each once. Ask only when the engine runs."""
    ids = tuple(sorted(set(machine.run(LIST_ARGV, timeout_s=8.0).out.split())))
    if not ids:
        return ()
    # an image that went in between makes the exit code 1, the others are shown all the same
    done = machine.run(inspect_argv(ids), timeout_s=8.0, ok=(0, 1))
    found = tuple(parse_image(line) for line in done.out.splitlines() if line.strip())
    if not found:
        raise Unobservable(f"docker image inspect: {done.err.strip() or 'no answer'}")
    return found


def parse_image(line: str) -> LocalImage:
    """Return the image in a line of FORMAT."""
    number, system, architecture, tags, digests = line.split("\t")
    return LocalImage(number, system, architecture, tuple(json.loads(tags) or ()), tuple(json.loads(digests) or ()))


def observe_uses(machine: Machine) -> tuple[ContainerUse, ...]:
    """Return the containers with the image each names."""
    lines = machine.run(PS_ARGV, timeout_s=8.0).out.splitlines()
    rows = [json.loads(line) for line in lines if line.strip()]
    return tuple(ContainerUse(row.get("Names", ""), row.get("State") == "running", row.get("Image", ""))
                 for row in rows)


def uses(container: ContainerUse, image: LocalImage) -> bool:
    """Return whether a container was made from an image, by what it calls it."""
    called = container.image if ":" in container.image.rpartition("/")[2] else f"{container.image}:latest"
    short = container.image.removeprefix("sha256:")
    by_id = len(short) >= 12 and image.id.removeprefix("sha256:").startswith(short)
    return by_id or called in image.names or container.image in image.digests


def observe_gpu_containers(machine: Machine) -> tuple[GpuContainer, ...]:
    """Return the running containers that were given a GPU: by request, CDI device, runtime or device node.

    Ask only when the engine runs. Raises Unobservable, also for an answer that cannot be read.
    """
    lines = machine.run(PS_ARGV, timeout_s=8.0).out.splitlines()
    try:
        rows = [json.loads(line) for line in lines if line.strip()]
        ids = tuple(sorted(row["ID"] for row in rows if row.get("State") == "running"))
        if not ids:
            return ()
        done = machine.run(("docker", "container", "inspect", "--format", CONTAINER_FORMAT, *ids), timeout_s=8.0,
                           ok=(0, 1))
        found = [parse_gpu_container(line) for line in done.out.splitlines() if line.strip()]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unobservable(f"docker: damaged answer: {error}") from error
    return tuple(container for container in found if container)


def parse_gpu_container(line: str) -> GpuContainer | None:
    """Return the container in a line of CONTAINER_FORMAT, None when nobody gave it a GPU."""
    number, name, pid, started, runtime, requests, devices, environment = line.split("\t")
    if not _has_gpu(runtime, json.loads(requests) or [], json.loads(devices) or [], json.loads(environment) or []):
        return None
    begun = datetime.fromisoformat(re.sub(r"(\.\d{6})\d*Z$|Z$", r"\1+00:00", started))
    return GpuContainer(number, name.lstrip("/"), int(pid), begun.timestamp())


def _has_gpu(runtime: str, requests: list[dict[str, Any]], devices: list[dict[str, Any]],
             environment: list[str]) -> bool:
    for request in requests:
        kinds = {word for group in request.get("Capabilities") or () for word in group}
        names = " ".join(request.get("DeviceIDs") or ())
        if "gpu" in kinds or request.get("Driver") == "nvidia" or "nvidia.com/" in names:
            return True
    if any(str(device.get("PathOnHost", "")).startswith("/dev/nvidia") for device in devices):
        return True
    seen = next((line.partition("=")[2] for line in environment if line.startswith("NVIDIA_VISIBLE_DEVICES=")), "")
    return "nvidia" in runtime and seen not in _NOBODY
