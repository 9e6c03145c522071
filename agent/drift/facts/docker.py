"""Docker: daemon.json, images with what their names point at, CDI."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from agent.drift.area import Area
from agent.drift.texts import names_in
from agent.machine.docker import DAEMON_JSON, engine_runs, observe_daemon_json
from agent.machine.masking import without_secrets
from agent.machine.toolkit import observe_cdi_specs
from agent.model.errors import Missing, Unobservable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agent.machine.api import Machine

DATA_ROOT = "/var/lib/docker"
IMAGES_ARGV = ("docker", "image", "ls", "--no-trunc", "--digests", "--format", "{{json .}}")


def observe_daemon(machine: Machine) -> dict[str, str]:
    """Return each value of daemon.json by its dotted key."""
    daemon = observe_daemon_json(machine)
    return {"(file)": f"not valid: {daemon.error}"} if daemon.error else dict(_flat(daemon.config))


def _flat(value: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for key, item in value.items():
        if isinstance(item, dict) and item:
            yield from _flat(item, f"{path}{key}.")
        else:
            text = f"{key}={item}" if isinstance(item, str) else json.dumps(item, sort_keys=True)
            yield f"{path}{key}", without_secrets(text).removeprefix(f"{key}=")


def observe_images(machine: Machine) -> dict[str, str]:
    """Return what each name points at: image id, and the registry's digest where known.

    Read from the engine's own file; the engine is asked only where it keeps images otherwise (containerd).
    """
    root = str(observe_daemon_json(machine).config.get("data-root") or DATA_ROOT)
    for driver in names_in(machine, f"{root}/image"):
        try:
            return parse_repositories(
                machine.read(f"{root}/image/{driver}/repositories.json", limit_bytes=8 << 20)
            )
        except Missing:
            continue
    return parse_listing(machine.run(IMAGES_ARGV, timeout_s=8.0).out) if engine_runs(machine) else {}


def parse_repositories(text: str) -> dict[str, str]:
    """Return id and digest by name from the engine's repositories.json. Raises Unobservable when it is damaged."""
    try:
        repositories: dict[str, dict[str, str]] = json.loads(text)["Repositories"]
    except (ValueError, KeyError, TypeError) as error:
        raise Unobservable(f"repositories.json: damaged: {error}") from error
    found: dict[str, str] = {}
    for names in repositories.values():
        digests = {image: name.partition("@")[2] for name, image in names.items() if "@" in name}
        found |= {
            name: _image(image, digests.get(image, "")) for name, image in names.items() if "@" not in name
        }
    return found


def parse_listing(text: str) -> dict[str, str]:
    """Return id and digest by name from `docker image ls`; images without a name are left out."""
    lines = [json.loads(line) for line in text.splitlines() if line.strip()]
    return {
        f"{line['Repository']}:{line['Tag']}": _image(line["ID"], line.get("Digest", ""))
        for line in lines
        if "<none>" not in (line["Repository"], line["Tag"])
    }


def _image(image: str, digest: str) -> str:
    short = image.removeprefix("sha256:")[:12]
    return (
        f"{short} (digest {digest.removeprefix('sha256:')[:12]})" if digest not in ("", "<none>") else short
    )


def observe_cdi(machine: Machine) -> dict[str, str]:
    """Return devices and driver of each CDI file of NVIDIA's."""
    return {
        spec.path: spec.error or ", ".join([*spec.devices, *(f"driver {each}" for each in spec.drivers)])
        for spec in observe_cdi_specs(machine)
    }


def _daemon_file(key: str, before: str, after: str) -> Sequence[str]:
    return (DAEMON_JSON, DAEMON_JSON.rpartition("/")[0])


def _image_store(key: str, before: str, after: str) -> Sequence[str]:
    return (f"{DATA_ROOT}/image/overlay2/repositories.json",)


AREAS = (
    Area("daemon-json", "settings of Docker", observe_daemon, places=_daemon_file),
    Area("image", "Docker images", observe_images, places=_image_store),
    Area("cdi", "CDI devices", observe_cdi),
)
