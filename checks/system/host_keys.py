"""SSH host keys: present, and private."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent.check import Check, Outcome, failed, not_applicable, passed
from agent.model.errors import Missing
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile

FOLDER = "/etc/ssh"


def observe(machine: Machine, profile: ResolvedProfile) -> dict[str, int] | None:
    """Return the permission bits of each private host key by path; None without an SSH server."""
    if not machine.exists(f"{FOLDER}/sshd_config"):
        return None
    try:
        names = machine.listing(FOLDER)
    except Missing:
        return None
    keys = (f"{FOLDER}/{name}" for name in names if re.fullmatch(r"ssh_host_\w+_key", name))
    return {path: machine.status(path).mode for path in keys}


def judge(seen: dict[str, int] | None, profile: ResolvedProfile) -> list[Outcome]:
    """Fail without a key, and for a key that others can read."""
    if seen is None:
        return [not_applicable("No SSH server is installed.")]
    evidence = [Evidence(FOLDER, tuple(f"{path} {mode:04o}" for path, mode in seen.items()))]
    if not seen:
        return [failed("The SSH server has no host key: nobody can log in.", seen="none", evidence=evidence,
                       remedy=Remedy(steps=("Make new ones: `ssh-keygen -A`.", "`systemctl restart ssh`.")))]
    loose = {path: mode for path, mode in seen.items() if mode & 0o077}
    if loose:
        return [
            failed(
                f"{path} can be read by others (mode {mode:04o}).",
                subject=path,
                seen=f"{mode:04o}",
                expected="0600",
                evidence=evidence,
                remedy=Remedy(
                    steps=(
                        f"`chmod 600 {path}`.",
                        "Whoever could read it has it: make a new one and tell users.",
                    )
                ),
            )
            for path, mode in loose.items()
        ]
    return [passed(f"{len(seen)} SSH host keys, readable by root alone.", evidence=evidence)]


CHECK = Check(
    title="SSH host keys",
    why="Images that were cloned with their keys in them, or keys that others can read, let a "
        "stranger pose as us.",
    observe=observe,
    judge=judge,
)
