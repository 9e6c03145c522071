"""The limits systemd gives to services that set none: in force, and in the files of both its managers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, failed, not_applicable, passed
from agent.machine.systemd import Properties, observe_manager, observe_manager_files, parse_limit
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.profile import Limits
    from agent.model.resolved import ResolvedProfile

HARD, SOFT, LOCKED = "DefaultLimitNOFILE", "DefaultLimitNOFILESoft", "DefaultLimitMEMLOCK"
MANAGERS = {"system": "services", "user": "services of users"}


class Seen(NamedTuple):
    """The system manager's limits in force, and what the files say by manager: those will hold after a boot."""

    live: Properties
    files: dict[str, dict[str, str]]


def observe(machine: Machine, profile: ResolvedProfile) -> Seen | None:
    """Ask systemd for its defaults, and read its files."""
    if not profile.profile.system.limits.enabled:
        return None
    return Seen(observe_manager(machine), {name: observe_manager_files(machine, name) for name in MANAGERS})


def judge(seen: Seen | None, profile: ResolvedProfile) -> list[Outcome]:
    """In force at least what the profile wants, and as much in the files."""
    if seen is None:
        return [not_applicable("The profile leaves service limits alone.")]
    part = profile.profile.system.limits
    text = f"soft {seen.live.get(SOFT, 'not set')}, hard {seen.live.get(HARD, 'not set')}"
    evidence = [Evidence(f"systemctl show -p {HARD},{SOFT}", (text,))]
    if not all(name in seen.live and enough(seen.live[name], part.nofile) for name in (SOFT, HARD)):
        return [failed(f"systemd gives services fewer than {part.nofile} open files: {text}.", seen=text,
                       expected=str(part.nofile), evidence=evidence)]
    lost = [outcome for name in MANAGERS for outcome in judge_files(name, seen.files[name], part)]
    return lost or [passed(f"systemd gives services {text} open files, now and after a boot.", seen=text,
                           expected=str(part.nofile), evidence=evidence)]


def judge_files(name: str, values: dict[str, str], part: Limits) -> list[Outcome]:
    """Return what the files of one manager lack."""
    wanted = {HARD: part.nofile} if part.memlock is None else {HARD: part.nofile, LOCKED: part.memlock}
    found = []
    for key, least in wanted.items():
        text = values.get(key, "")
        size = least * 1024 if key == LOCKED and isinstance(least, int) else least
        if not text or not all(enough(each, size) for each in text.split(":")):
            found.append(failed(
                f"After a boot systemd gives {MANAGERS[name]} {text or 'its own default'} for {key}; the profile "
                f"wants {least}.", subject=f"{name} {key}", seen=text or "not set", expected=str(least),
                evidence=[Evidence(f"/etc/systemd/{name}.conf.d", (f"{key}={text}",))]))
    return found


def enough(text: str, wanted: int | str) -> bool:
    """Return whether a limit as systemd writes it is at least the wanted one."""
    try:
        limit = parse_limit(text)
    except ValueError:
        return False
    return limit is None or (not isinstance(wanted, str) and limit >= wanted)


CHECK = Check(
    title="Limits for services",
    why="Jobs started by systemd never pass through PAM: their limit is systemd's default, 1024 soft.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="limits"),
)
