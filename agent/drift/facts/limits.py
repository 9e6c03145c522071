"""Limits of logins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.drift.area import Area
from agent.machine.limits import observe_login_limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.machine.api import Machine


def observe_limits(machine: Machine) -> dict[str, str]:
    """Return value and file of each limit PAM sets, the last line of each kind."""
    found = {}
    for line in observe_login_limits(machine):
        value = "unlimited" if line.value == -1 else str(line.value)
        found[f"{line.domain} {line.kind} {line.item}"] = f"{value} ({line.place.rpartition(':')[0]})"
    return found


def _files(key: str, before: str, after: str) -> Sequence[str]:
    named = [value.rpartition(" (")[2].rstrip(")") for value in (after, before) if value.endswith(")")]
    return (*named, *(path.rpartition("/")[0] for path in named))


AREAS = (Area("limit", "limits of logins", observe_limits, places=_files),)
