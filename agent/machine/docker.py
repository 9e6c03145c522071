"""Docker Engine as it is found: what stands in its files, and what it answers.

Nothing here starts the engine: its socket would (systemd activates it), so it is asked only while it runs.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.machine import shortcuts
from agent.machine.systemd import observe_units
from agent.model.errors import Missing, Unobservable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.machine.api import Machine

UNIT = "docker.service"
INFO_ARGV = shortcuts.INFO_ARGV
DAEMON_JSON = "/etc/docker/daemon.json"
PID_FILE = "/run/docker.pid"
PS_ARGV = ("docker", "ps", "--all", "--no-trunc", "--format", "{{json .}}")
_FOLDERS = ("/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/bin", "/sbin")
_SNAPS = ("/snap/bin/docker", "/var/snap/docker/current")


class DockerInfo(NamedTuple):
    """What a running engine says about itself. `runtimes`: name to path or shim type."""

    version: str
    storage_driver: str
    log_driver: str
    cgroup_driver: str
    cgroup_version: str
    live_restore: bool
    runtimes: dict[str, str]
    default_runtime: str
    data_root: str
    registry_mirrors: tuple[str, ...]
    debug: bool
    cdi_folders: tuple[str, ...]
    containers: int
    running: int

    @property
    def major(self) -> int:
        """The first number of the version, 0 when it is not one."""
        first = self.version.partition(".")[0]
        return int(first) if first.isdigit() else 0


class DaemonJson(NamedTuple):
    """daemon.json: `config` is what it says; `error` is line:column and reason when it is no JSON object."""

    exists: bool
    config: dict[str, Any]
    error: str = ""


class ContainerFiles(NamedTuple):
    """A container as the engine keeps it on disk. `log_bytes` of its json log file, 0 for none."""

    name: str
    running: bool
    log_driver: str
    log_options: dict[str, str]
    log_bytes: int


class ContainerLine(NamedTuple):
    """A line of `docker ps`: state (running, restarting, exited …) and the status in words."""

    name: str
    state: str
    status: str


def find_dockerd(machine: Machine) -> str | None:
    """Return the path of dockerd, None when no package has put one there."""
    return find_program(machine, "dockerd")


def find_program(machine: Machine, name: str) -> str | None:
    """Return the path of an executable file by absolute path or name, None when there is none."""
    paths = (name,) if name.startswith("/") else tuple(f"{folder}/{name}" for folder in _FOLDERS)
    for path in paths:
        try:
            seen = machine.status(path)
        except Missing:
            continue
        if seen.kind == "link" or (seen.kind == "file" and seen.mode & 0o111):
            return path
    return None


def find_snap(machine: Machine) -> str | None:
    """Return the path that shows Docker's snap, None without it."""
    return next((path for path in _SNAPS if machine.exists(path)), None)


def observe_unit(machine: Machine) -> dict[str, str]:
    """Return docker.service as systemd shows it; see systemd.observe_units."""
    return observe_units(machine, (UNIT,))[UNIT]


def dockerd_runs(machine: Machine) -> bool:
    """Return whether the engine's pid file names a dockerd; False says nothing of one that is kept elsewhere."""
    try:
        pid = machine.read(PID_FILE).strip()
        return machine.read(f"/proc/{pid}/comm").strip() == "dockerd"
    except Missing:
        return False


def engine_runs(machine: Machine) -> bool:
    """Return whether a dockerd runs: its pid file names one, or its unit is active."""
    if dockerd_runs(machine):
        return True
    try:
        return observe_unit(machine).get("ActiveState") in {"active", "reloading"}
    except Missing:
        return False


def observe_info(machine: Machine) -> DockerInfo:
    """Return what the engine says. Raises Unobservable when it does not run, answer or let us ask."""
    if not engine_runs(machine):
        raise Unobservable("Docker does not run")
    done = machine.run(INFO_ARGV, timeout_s=8.0, ok=None)
    return parse_info(done.out, done.err)


def parse_info(out: str, err: str = "") -> DockerInfo:
    """Return the engine's part of `docker info`; Unobservable with the client's words when there is none."""
    try:
        raw = json.loads(out)
    except ValueError:
        raw = None
    if not isinstance(raw, dict) or not raw.get("ServerVersion"):
        errors = raw.get("ServerErrors") if isinstance(raw, dict) else None
        reason = " ".join(errors or []) or err.strip() or "no answer"
        raise Unobservable(f"Docker does not answer: {reason}")
    runtimes = raw.get("Runtimes") or {}
    return DockerInfo(
        version=raw["ServerVersion"],
        storage_driver=raw.get("Driver", ""),
        log_driver=raw.get("LoggingDriver", ""),
        cgroup_driver=raw.get("CgroupDriver", ""),
        cgroup_version=str(raw.get("CgroupVersion", "")),
        live_restore=bool(raw.get("LiveRestoreEnabled")),
        runtimes={name: str(body.get("path") or body.get("runtimeType") or "")
                  for name, body in runtimes.items()},
        default_runtime=raw.get("DefaultRuntime", ""),
        data_root=raw.get("DockerRootDir", ""),
        registry_mirrors=tuple((raw.get("RegistryConfig") or {}).get("Mirrors") or ()),
        debug=bool(raw.get("Debug")),
        cdi_folders=tuple(raw.get("CDISpecDirs") or ()),
        containers=int(raw.get("Containers", 0)),
        running=int(raw.get("ContainersRunning", 0)),
    )


def observe_daemon_json(machine: Machine) -> DaemonJson:
    """Return daemon.json; what is no JSON object is an answer, what cannot be read is Unobservable."""
    try:
        text = machine.read(DAEMON_JSON)
    except Missing:
        return DaemonJson(False, {})
    return parse_daemon_json(text)


def parse_daemon_json(text: str) -> DaemonJson:
    """Return the object in a daemon.json, an empty file being an empty object."""
    if not text.strip():
        return DaemonJson(True, {})
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        return DaemonJson(True, {}, f"{error.lineno}:{error.colno}: {error.msg}")
    if not isinstance(value, dict):
        return DaemonJson(True, {}, f"1:1: expected an object, found {type(value).__name__}")
    return DaemonJson(True, value)


def missing_values(
    config: Mapping[str, Any], wanted: Mapping[str, Any], path: tuple[str, ...] = ()
) -> list[tuple[str, Any, Any]]:
    """Return (dotted key, wanted, found or None) of each wanted value that a config lacks.

    Objects are compared key by key; a wanted list must be contained in the one found.
    """
    lacking: list[tuple[str, Any, Any]] = []
    for key, value in wanted.items():
        found, here = config.get(key), (*path, key)
        if isinstance(value, dict):
            lacking += missing_values(found if isinstance(found, dict) else {}, value, here)
        elif isinstance(value, list):
            if not isinstance(found, list) or any(item not in found for item in value):
                lacking.append((".".join(here), value, found))
        elif found != value or type(found) is not type(value):
            lacking.append((".".join(here), value, found))
    return lacking


def not_in_force(wanted: Mapping[str, Any], info: DockerInfo) -> list[tuple[str, Any, Any]]:
    """Return (key, wanted, in force) of each wanted daemon.json value that the engine shows to be another."""
    shown: dict[str, Any] = {
        "log-driver": info.log_driver, "live-restore": info.live_restore, "debug": info.debug,
        "default-runtime": info.default_runtime, "storage-driver": info.storage_driver,
        "data-root": info.data_root,
    }
    found = [(key, wanted[key], value) for key, value in shown.items()
             if key in wanted and wanted[key] != value]
    for option in wanted.get("exec-opts", ()):
        name, _, value = option.partition("=")
        if name == "native.cgroupdriver" and value != info.cgroup_driver:
            found.append(("exec-opts", option, info.cgroup_driver))
    mirrors = {mirror.rstrip("/") for mirror in info.registry_mirrors}
    found += [("registry-mirrors", mirror, sorted(mirrors)) for mirror in wanted.get("registry-mirrors", ())
              if mirror.rstrip("/") not in mirrors]
    return found


def observe_container_files(machine: Machine, data_root: str) -> tuple[ContainerFiles, ...]:
    """Return the containers below the engine's data root (root only: it is closed to others)."""
    folder = f"{data_root}/containers"
    seen = []
    for name in machine.listing(folder):
        try:
            config = json.loads(machine.read(f"{folder}/{name}/config.v2.json"))
            host = json.loads(machine.read(f"{folder}/{name}/hostconfig.json"))
        except Missing:
            continue  # removed since the listing
        except ValueError as error:
            raise Unobservable(f"{folder}/{name}: {error}") from error
        log = host.get("LogConfig") or {}
        seen.append(ContainerFiles(
            name=str(config.get("Name", name)).lstrip("/"),
            running=bool((config.get("State") or {}).get("Running")),
            log_driver=log.get("Type", ""),
            log_options=dict(log.get("Config") or {}),
            log_bytes=_size_bytes(machine, config.get("LogPath") or ""),
        ))
    return tuple(seen)


def _size_bytes(machine: Machine, path: str) -> int:
    try:
        return machine.status(path).size_bytes if path else 0
    except Missing:
        return 0


def observe_containers(machine: Machine) -> tuple[ContainerLine, ...]:
    """Return the lines of `docker ps --all`. Ask only when the engine runs."""
    text = machine.run(PS_ARGV, timeout_s=8.0).out
    lines = [json.loads(line) for line in text.splitlines() if line.strip()]
    return tuple(ContainerLine(line.get("Names", ""), line.get("State", ""), line.get("Status", ""))
                 for line in lines)
