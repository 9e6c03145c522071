"""What PAM is told to give a new login: open files and locked memory in limits.conf and limits.d."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, failed, not_applicable, passed
from agent.machine.limits import LimitLine, login_limit, observe_login_limits
from agent.model.errors import Missing
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile

COMMON = "common-session"  # included by all the others
SERVICES = ("login", "sshd", "su", COMMON)
DOMAINS = ("*", "root")  # PAM never applies `*` to root


class Seen(NamedTuple):
    """The lines PAM reads, and the PAM services that are configured: name → whether pam_limits is in them."""

    lines: tuple[LimitLine, ...]
    services: dict[str, bool]


def observe(machine: Machine, profile: ResolvedProfile) -> Seen | None:
    """Read the limits files and the PAM services through which people log in."""
    if not profile.profile.system.limits.enabled:
        return None
    services = {}
    for name in SERVICES:
        try:
            text = machine.read(f"/etc/pam.d/{name}")
        except Missing:
            continue
        services[name] = any("pam_limits.so" in line.partition("#")[0] for line in text.splitlines())
    return Seen(tuple(observe_login_limits(machine)), services)


def wanted_items(profile: ResolvedProfile) -> dict[str, int]:
    """Return the wanted value by limits.conf item; -1 = unlimited."""
    part = profile.profile.system.limits
    items = {"nofile": part.nofile}
    if part.memlock is not None:
        items["memlock"] = -1 if part.memlock == "unlimited" else part.memlock
    return items


def judge(seen: Seen | None, profile: ResolvedProfile) -> list[Outcome]:
    """One failure per item (and one for PAM itself); one pass when all is as it must be."""
    if seen is None:
        return [not_applicable("The profile leaves login limits alone.")]
    outcomes = []
    without = [] if seen.services.get(COMMON) else [name for name, has in seen.services.items() if not has]
    without = [name for name in without if name != COMMON]
    if without:
        outcomes.append(failed(
            f"PAM applies no limits to logins through {', '.join(without)}: pam_limits is missing there.",
            subject="pam", evidence=[Evidence(f"/etc/pam.d/{name}") for name in without],
            remedy=Remedy(steps=tuple(f"Add `session required pam_limits.so` to /etc/pam.d/{name}."
                                      for name in without))))
    for item, wanted in wanted_items(profile).items():
        outcomes += judge_item(seen, item, wanted)
    return outcomes or [passed(f"A new login gets {profile.profile.system.limits.nofile} open files.",
                               evidence=[Evidence("/etc/security", deciding_lines(seen, "nofile"))])]


def judge_item(seen: Seen, item: str, wanted: int) -> list[Outcome]:
    """Return a failure when any of soft/hard for everyone/root is not the wanted value."""
    wrong = []
    for domain in DOMAINS:
        for kind in ("soft", "hard"):
            line = login_limit(seen.lines, domain, kind, item)
            if line is None:
                wrong.append(f"{domain} {kind}: not set")
            elif line.value != wanted:
                wrong.append(f"{domain} {kind}: {say(line.value)} ({line.place})")
    if not wrong:
        return []
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    return [failed(f"A new login does not get {say(wanted)} for {item}. {wrong[0]}{more}.", subject=item,
                   seen="; ".join(wrong), expected=say(wanted),
                   evidence=[Evidence("/etc/security", deciding_lines(seen, item))])]


def say(value: int) -> str:
    """Return a limit as limits.conf writes it."""
    return "unlimited" if value == -1 else str(value)


def deciding_lines(seen: Seen, item: str) -> tuple[str, ...]:
    """Return the lines about `item`, with their places."""
    return tuple(f"{line.place}: {line.domain} {line.kind} {line.item} {say(line.value)}"
                 for line in seen.lines if line.item == item)


CHECK = Check(
    title="Limits for logins",
    why="Data loaders open thousands of files; at the default of 1024 they die with “Too many open files”.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="limits"),
)
