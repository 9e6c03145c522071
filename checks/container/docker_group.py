"""The profile's users may use Docker, and nobody may who is not in its group."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, failed, not_applicable, passed, unknown
from agent.model.errors import Missing
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile

GROUP, SOCKET = "docker", "/run/docker.sock"


class Seen(NamedTuple):
    """Members of group docker, primary ones too (None: no group), and the socket's mode (None: no socket)."""

    members: frozenset[str] | None
    socket_mode: int | None


def observe(machine: Machine, profile: ResolvedProfile) -> Seen | None:
    """Read /etc/group, /etc/passwd and the socket's mode."""
    if not profile.profile.container.docker.enabled:
        return None
    groups = [line.split(":") for line in machine.read("/etc/group").splitlines()]
    ours = next((fields for fields in groups if fields[0] == GROUP and len(fields) == 4), None)
    members: frozenset[str] | None = None
    if ours is not None:
        accounts = [line.split(":") for line in machine.read("/etc/passwd").splitlines()]
        primary = {fields[0] for fields in accounts if len(fields) == 7 and fields[3] == ours[2]}
        members = frozenset(name for name in ours[3].split(",") if name) | primary
    try:
        mode = machine.status(SOCKET).mode
    except Missing:
        mode = None
    return Seen(members, mode)


def judge(seen: Seen | None, profile: ResolvedProfile) -> list[Outcome]:
    """Wanted users are members; other members are shown, not judged: the group is root's equal."""
    if seen is None:
        return [not_applicable("The profile does not ask for Docker.")]
    if seen.socket_mode is not None and seen.socket_mode & 0o002:
        steps = ("systemctl restart docker.socket docker.service",
                 "Find out what has changed the socket's mode.")
        return [failed(f"{SOCKET} can be written by everybody: every user of this machine is root.",
                       subject=SOCKET,
                       seen=f"{seen.socket_mode:04o}", expected="0660", remedy=Remedy(steps=steps))]
    wanted = profile.profile.container.docker.users
    if seen.members is None:
        return [unknown(f"There is no group {GROUP}: see container.docker-engine.")]
    evidence = [Evidence("/etc/group", (f"{GROUP}: {', '.join(sorted(seen.members)) or 'nobody'}",))]
    missing = [user for user in wanted if user not in seen.members]
    if missing:
        return [failed(f"{user} may not use Docker: not a member of group {GROUP}.", subject=user,
                       seen="not a member",
                       expected="member", evidence=evidence) for user in missing]
    said = ", ".join(sorted(seen.members)) or "nobody"
    return [passed(f"Members of group {GROUP}, who are root's equals: {said}.", seen=said,
                   expected=", ".join(wanted) or "nobody in particular", evidence=evidence)]


CHECK = Check(
    title="Docker group",
    why="A user outside the group cannot start a container; a user inside it can become root, so membership "
        "is asked "
        "for by name.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="docker"),
)
