"""Resource limits: what PAM gives to logins (limits.conf) and what a running process has (/proc)."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from agent.model.errors import Missing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.machine.api import Machine

LIMITS_CONF = "/etc/security/limits.conf"
LIMITS_FOLDER = "/etc/security/limits.d"
# The account that is sure to exist and to own nothing; `su` opens a PAM session for it as a login does.
SESSION_ARGV = ("su", "-s", "/bin/sh", "nobody", "-c", "ulimit -Sn; ulimit -Hn")


class LimitLine(NamedTuple):
    """One line of limits.conf. `kind`: soft or hard (a `-` line counts as both). `value` -1 = unlimited."""

    domain: str
    kind: str
    item: str
    value: int
    place: str


def parse_limits(text: str, path: str) -> list[LimitLine]:
    """Return the lines of a limits file; ones whose value is no number are skipped, as PAM does."""
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.partition("#")[0].split()
        if len(fields) != 4:
            continue
        domain, kind, item, value = fields
        if value in {"unlimited", "infinity", "-1"}:
            amount = -1
        elif value.isdigit():
            amount = int(value)
        else:
            continue
        kinds = ("soft", "hard") if kind == "-" else (kind,)
        found += [LimitLine(domain, each, item, amount, f"{path}:{number}") for each in kinds]
    return found


def observe_login_limits(machine: Machine) -> list[LimitLine]:
    """Return every line PAM reads, in its order: limits.conf, then limits.d/*.conf by name."""
    paths = [LIMITS_CONF]
    with suppress(Missing):
        names = machine.listing(LIMITS_FOLDER)
        paths += [f"{LIMITS_FOLDER}/{name}" for name in names if name.endswith(".conf")]
    lines = []
    for path in paths:
        try:
            lines += parse_limits(machine.read(path), path)
        except Missing:
            continue
    return lines


def login_limit(lines: Sequence[LimitLine], domain: str, kind: str, item: str) -> LimitLine | None:
    """Return the line that decides for a domain (`*` or a user name): the last one; `*` never covers root."""
    wanted = (domain, kind, item)
    return next((line for line in reversed(lines) if (line.domain, line.kind, line.item) == wanted), None)


def parse_process_limits(text: str) -> dict[str, tuple[int | None, int | None]]:
    """Return soft and hard values of /proc/PID/limits by name ("Max open files"); None = unlimited."""
    limits = {}
    for line in text.splitlines()[1:]:
        name, fields = line[:26].strip(), line[26:].split()
        if len(fields) >= 2:
            soft, hard = (None if field == "unlimited" else int(field) for field in fields[:2])
            limits[name] = (soft, hard)
    return limits


def observe_open_files(machine: Machine, pid: int) -> tuple[int | None, int | None]:
    """Return soft and hard open-files limit of a process. Raises Missing when it is gone."""
    limits = parse_process_limits(machine.read(f"/proc/{pid}/limits"))
    if "Max open files" not in limits:
        raise Missing(f"/proc/{pid}/limits names no open-files limit")
    return limits["Max open files"]
