"""Who may do what: people's accounts, members of groups, sudo rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.drift.area import Area
from agent.drift.texts import file_values, folder_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.machine.api import Machine

_NO_SHELL = ("nologin", "false", "sync", "halt", "shutdown")
FIRST_PERSON, NOBODY = 1000, 65534


def observe_users(machine: Machine) -> dict[str, str]:
    """Return number, group, home and shell of every account that a person may use, and of root."""
    found = {}
    for line in machine.read("/etc/passwd").splitlines():
        fields = line.split(":")
        if len(fields) != 7 or not fields[2].isdigit():
            continue
        name, number, shell = fields[0], int(fields[2]), fields[6]
        person = FIRST_PERSON <= number < NOBODY
        if person or number == 0 or not shell.endswith(_NO_SHELL):
            found[name] = f"uid {number}, gid {fields[3]}, {fields[5]}, {shell}"
    return found


def observe_groups(machine: Machine) -> dict[str, str]:
    """Return the members of every group that has any."""
    lines = [line.split(":") for line in machine.read("/etc/group").splitlines()]
    return {
        fields[0]: ", ".join(sorted(fields[3].split(",")))
        for fields in lines
        if len(fields) == 4 and fields[3]
    }


def observe_sudo(machine: Machine) -> dict[str, str]:
    """Return what sudoers and its folder say."""
    return dict(file_values(machine, ["/etc/sudoers"])) | dict(folder_values(machine, "/etc/sudoers.d"))


def _file(path: str) -> Sequence[str]:
    return (path,)


AREAS = (
    Area("user", "accounts", observe_users, places=lambda key, before, after: _file("/etc/passwd")),
    Area("group", "members of groups", observe_groups, places=lambda key, before, after: _file("/etc/group")),
    Area("sudo", "sudo rules", observe_sudo),
)
