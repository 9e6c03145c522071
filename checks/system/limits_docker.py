"""The open-files limit the Docker daemon really runs with; containers inherit it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.check import Check, Outcome, failed, not_applicable, passed, warned
from agent.machine.limits import observe_open_files
from agent.machine.systemd import Properties, find_container, observe_units
from agent.model.errors import Missing
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile

# Docker inherits systemd's limit when it starts: a daemon older than the limit keeps the old one.
RESTART = Remedy(steps=("Wait until no container runs.", "`systemctl restart docker`."))
UNIT = "docker.service"
PID_FILES = ("/run/docker.pid", "/var/run/docker.pid")


@dataclass(frozen=True, slots=True)
class Seen:
    """Hard open-files limits; None = unlimited. `pid` 0: dockerd does not run. `unit`: docker.service's properties."""

    pid: int = 0
    hard: int | None = None
    ceiling: int | None = None
    container: str = ""
    unit: Properties = field(default_factory=dict)


def observe(machine: Machine, profile: ResolvedProfile) -> Seen:
    """Read the limits of the running dockerd; where the profile sets its own, ask what its unit says too."""
    docker = profile.profile.container.docker
    unit = observe_units(machine, (UNIT,))[UNIT] if docker.enabled and docker.nofile is not None else {}
    pid = find_dockerd(machine)
    if pid is None:
        return Seen(unit=unit)
    container = find_container(machine)
    ceiling = observe_open_files(machine, 1)[1] if container else None
    return Seen(pid, observe_open_files(machine, pid)[1], ceiling, container, unit)


def find_dockerd(machine: Machine) -> int | None:
    """Return the process id of dockerd; None when its pid file is absent or stale."""
    for path in PID_FILES:
        try:
            pid = int(machine.read(path))
            if machine.read(f"/proc/{pid}/comm").strip() == "dockerd":
                return pid
        except (Missing, ValueError):
            continue
    return None


def judge(seen: Seen, profile: ResolvedProfile) -> list[Outcome]:
    """The hard limit must be at least what the profile wants for Docker, else for services."""
    part = profile.profile
    own = part.container.docker.nofile
    wanted = own if own is not None else part.system.limits.nofile
    if not part.container.docker.enabled or (own is None and not part.system.limits.enabled):
        return [not_applicable("The profile leaves Docker's limits alone.")]
    if own is not None and (wrong := judge_unit(seen.unit, own)):
        return [wrong]
    if not seen.pid:
        return [not_applicable("Docker does not run here.")]
    if seen.container and seen.ceiling is not None and seen.ceiling < wanted:
        return [not_applicable(f"This {seen.container} container may not exceed {seen.ceiling} open files; "
                               f"{wanted} cannot be reached in it.")]
    text = "unlimited" if seen.hard is None else str(seen.hard)
    evidence = [Evidence(f"/proc/{seen.pid}/limits", (f"Max open files, hard: {text}",))]
    if seen.hard is not None and seen.hard < wanted:
        summary = f"dockerd runs with at most {text} open files; the profile wants {wanted}."
        say, remedy = (failed, Remedy(role="docker")) if own is not None else (warned, RESTART)
        return [say(summary, seen=text, expected=str(wanted), evidence=evidence, remedy=remedy)]
    return [passed(f"dockerd runs with up to {text} open files.", seen=text, expected=str(wanted),
                   evidence=evidence)]


def judge_unit(unit: Properties, wanted: int) -> Outcome | None:
    """Return the failure when docker.service, once started again, gives less than the profile wants; else None."""
    if unit.get("LoadState") != "loaded":
        return None
    text = unit.get("LimitNOFILE", "")
    evidence = [Evidence("systemctl show docker.service", (f"LimitNOFILE={text}",))]
    if text.isdigit() and int(text) < wanted:
        return failed(f"docker.service gives dockerd {text} open files; the profile wants {wanted}.", seen=text,
                      expected=str(wanted), evidence=evidence)
    if unit.get("NeedDaemonReload") == "yes":
        return failed("docker.service was changed after systemd read it.", seen="changed", expected="read",
                      evidence=evidence)
    return None


CHECK = Check(
    title="Limits of the Docker daemon",
    why="A container cannot have more open files than dockerd itself; it took its limit when it was started.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="docker"),
)
