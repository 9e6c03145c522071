"""The logs of running containers cannot fill the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, not_applicable, passed, warned
from agent.machine.docker import (
    DAEMON_JSON,
    ContainerFiles,
    observe_container_files,
    observe_daemon_json,
    observe_info,
)
from agent.model.finding import Evidence, Remedy
from agent.model.units import format_size

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile

UNBOUNDED = "json-file"  # the one driver that keeps everything on this disk unless told otherwise


class Seen(NamedTuple):
    """The engine's log driver, daemon.json's log-opts, and the containers that run."""

    driver: str
    options: dict[str, str]
    running: tuple[ContainerFiles, ...]


def observe(machine: Machine, profile: ResolvedProfile) -> Seen | None:
    """Ask the engine; read the containers' own settings only when some run."""
    if not profile.profile.container.docker.enabled:
        return None
    info = observe_info(machine)
    files = observe_container_files(machine, info.data_root) if info.running else ()
    options = observe_daemon_json(machine).config.get("log-opts")
    return Seen(info.log_driver, options if isinstance(options, dict) else {},
                tuple(one for one in files if one.running))


def judge(seen: Seen | None, profile: ResolvedProfile) -> list[Outcome]:
    """Containers keep the limits they were made with. Values the profile sets are daemon-json's to judge."""
    if seen is None:
        return [not_applicable("The profile does not ask for Docker.")]
    outcomes = [
        warned(f"Container {one.name} was made without a limit for its log, which has "
               f"{format_size(one.log_bytes)}.",
               subject=one.name, seen="no max-size", expected="max-size", remedy=_recreate(one.name),
               evidence=[Evidence(f"docker inspect {one.name}",
                                  (f"LogConfig: {one.log_driver} {one.log_options}",))])
        for one in seen.running if one.log_driver == UNBOUNDED and "max-size" not in one.log_options]
    ruled = "log-opts" in profile.profile.container.docker.daemon
    if seen.driver == UNBOUNDED and "max-size" not in seen.options and not ruled:
        steps = ("Set container.docker.daemon.log-opts in the profile.", "firstlight apply --only docker")
        outcomes.append(warned(f"New containers log without a limit: {DAEMON_JSON} has no log-opts.max-size.",
                               seen="no max-size", expected="max-size", evidence=[Evidence(DAEMON_JSON)],
                               remedy=Remedy(steps=steps)))
    said = f"Container logs are bounded (driver {seen.driver}, {len(seen.running)} running)."
    return outcomes or [passed(said, seen=seen.driver)]


def _recreate(name: str) -> Remedy:
    return Remedy(steps=(f"Remove {name} and make it again when it is idle; only a new one has limits.",))


CHECK = Check(
    title="Container log rotation",
    why="Docker's default log driver keeps every line for ever; one chatty training run fills the system "
        "disk.",
    observe=observe,
    judge=judge,
)
