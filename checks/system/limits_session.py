"""The open-files limit a fresh login really has."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Level, Outcome, failed, not_applicable, passed
from agent.machine.limits import SESSION_ARGV, login_limit, observe_login_limits, observe_open_files
from agent.machine.systemd import find_container
from agent.model.errors import Unobservable
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile


class Seen(NamedTuple):
    """Soft and hard open files of a fresh session (None = unlimited).

    `ceiling`: the most PID 1 may have. `promised`: the limits files give what the profile wants.
    """

    soft: int | None
    hard: int | None
    ceiling: int | None
    container: str
    promised: bool


def observe(machine: Machine, profile: ResolvedProfile) -> Seen | None:
    """Open a session as an unprivileged account and ask for its limits."""
    if not profile.profile.system.limits.enabled:
        return None
    if not machine.privileged():
        raise Unobservable("only root can open a session for another account; run this check as root")
    soft, hard = machine.run(SESSION_ARGV).out.split()[-2:]
    ceiling = observe_open_files(machine, 1)[1]
    lines = [login_limit(observe_login_limits(machine), "*", kind, "nofile") for kind in ("soft", "hard")]
    wanted = profile.profile.system.limits.nofile
    promised = all(line is not None and line.value in {-1, wanted} for line in lines)
    return Seen(number(soft), number(hard), ceiling, find_container(machine), promised)


def number(text: str) -> int | None:
    """Return a limit as `ulimit` prints it; None = unlimited."""
    return None if text == "unlimited" else int(text)


def judge(seen: Seen | None, profile: ResolvedProfile) -> list[Outcome]:
    """Compare what the session has with what the profile wants."""
    if seen is None:
        return [not_applicable("The profile leaves login limits alone.")]
    wanted = profile.profile.system.limits.nofile
    if not seen.promised:
        return [not_applicable("The limits files do not give what the profile wants (see system.limits-login).")]
    if seen.container and seen.ceiling is not None and seen.ceiling < wanted:
        return [not_applicable(f"This {seen.container} container may not exceed {seen.ceiling} open files; "
                               f"{wanted} cannot be reached in it.")]
    text = f"soft {seen.soft or 'unlimited'}, hard {seen.hard or 'unlimited'}"
    evidence = [Evidence(" ".join(SESSION_ARGV), (text,))]
    if any(value is not None and value < wanted for value in (seen.soft, seen.hard)):
        return [failed(f"A fresh login has fewer than {wanted} open files: {text}.", seen=text,
                       expected=str(wanted), evidence=evidence)]
    return [
        passed(f"A fresh login has {text} open files.", seen=text, expected=str(wanted), evidence=evidence)
    ]


CHECK = Check(
    title="Limits in a fresh login",
    why="A limits file can be right and still not reach the session: a PAM stack or fs.nr_open "
        "stands between.",
    observe=observe,
    judge=judge,
    level=Level.STANDARD,
    remedy=Remedy(role="limits"),
)
