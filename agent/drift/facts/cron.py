"""What cron starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.drift.area import Area
from agent.drift.texts import file_values, folder_values

if TYPE_CHECKING:
    from agent.machine.api import Machine

FOLDERS = (
    "/etc/cron.d",
    "/etc/cron.hourly",
    "/etc/cron.daily",
    "/etc/cron.weekly",
    "/etc/cron.monthly",
    "/var/spool/cron/crontabs",
)


def observe_jobs(machine: Machine) -> dict[str, str]:
    """Return what each table and script says."""
    found = dict(file_values(machine, ["/etc/crontab", "/etc/anacrontab"])) | dict(
        folder_values(machine, *FOLDERS)
    )
    return {path: value for path, value in found.items() if not path.endswith("/.placeholder")}


AREAS = (Area("cron", "cron jobs", observe_jobs),)
