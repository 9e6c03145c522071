"""Units that systemd lists as failed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent.check import Check, Outcome, passed, warned
from agent.model.errors import Unobservable
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile

ARGV = ("systemctl", "list-units", "--state=failed", "--plain", "--no-legend", "--no-pager")
# These have a check of their own, which says more.
ELSEWHERE = re.compile(r"firstlight-backup-.*|docker\.(service|socket)|containerd\.service|.*\.swap|"
                       r"(systemd-timesyncd|chronyd?|ntp(sec)?)\.service")


def observe(machine: Machine, profile: ResolvedProfile) -> tuple[str, ...]:
    """Return the names of failed units."""
    if not machine.exists("/run/systemd/system"):
        raise Unobservable("systemd does not run here (no /run/systemd/system)")
    lines = machine.run(ARGV).out.splitlines()
    return tuple(line.split()[0] for line in lines if line.strip())


def judge(seen: tuple[str, ...], profile: ResolvedProfile) -> list[Outcome]:
    """One warning per failed unit that no other check looks at."""
    units = [name for name in seen if not ELSEWHERE.fullmatch(name)]
    if not units:
        return [passed("No unit has failed.", evidence=[Evidence(" ".join(ARGV))])]
    return [
        warned(
            f"{name} has failed.",
            subject=name,
            seen="failed",
            expected="active or inactive",
            evidence=[Evidence(" ".join(ARGV), (name,))],
            remedy=Remedy(
                steps=(
                    f"See why: `systemctl status {name}` and `journalctl -u {name} -b`.",
                    f"Repair it, then `systemctl restart {name}`; or, if it does not matter, "
                    f"`systemctl reset-failed {name}`.",
                )
            ),
        )
        for name in units
    ]


CHECK = Check(
    title="Failed units",
    why="A failed unit is work that somebody expects to be done and that is not.",
    observe=observe,
    judge=judge,
)
