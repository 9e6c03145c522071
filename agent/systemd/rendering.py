"""The units as texts: templates with the program, the state folder and the schedule filled in."""

from __future__ import annotations

import ipaddress
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection

TEMPLATES = Path(__file__).with_name("units")
FIRST_BOOT = "firstlight-firstboot.service"
EXPORTER = "firstlight-exporter.service"
RETRY_S = 120
_PLAIN = re.compile(r"/[A-Za-z0-9._/+-]+")
_IDLE = "ExecCondition=@PROGRAM@ systemd idle\n"


@dataclass(frozen=True, slots=True)
class Schedule:
    """When something is looked at. `jitter_s` spreads machines and never lets two looks meet on the minute.

    `idle`: skipped while somebody's work is on a GPU, because it loads the machine.
    """

    level: str
    calendar: str
    jitter_s: int
    timeout_s: int
    idle: bool = False
    persistent: bool = False


SCHEDULES = (
    Schedule("quick", "*:0/5", 60, 120),
    Schedule("standard", "hourly", 600, 900),
    Schedule("deep", "Sun 03:00", 7200, 3600, idle=True, persistent=True),
)
DRIFT = Schedule("drift", "daily", 7200, 900, persistent=True)


@dataclass(frozen=True, slots=True)
class Setting:
    """What the templates need: the absolute program, the state folder, where the exporter listens."""

    program: Path
    state: Path
    listen: str = "127.0.0.1:9836"


def own_program() -> Path:
    """Return the `firstlight` of this environment. Raises UsageError when it is not installed."""
    program = Path(sys.prefix, "bin", "firstlight")
    if not program.exists():
        raise UsageError(f"{program}: is not there; units need an installed Firstlight",
                         "in its source folder: python3 -m venv /opt/firstlight; /opt/firstlight/bin/pip install .")
    return program


def render_units(setting: Setting, commands: Collection[str]) -> dict[str, str]:
    """Return the text of each unit by file name; parts whose command this Firstlight lacks are left out.

    Raises UsageError for a path that systemd would read otherwise than it stands there.
    """
    units: dict[str, str] = {}
    for schedule in SCHEDULES:
        name = f"firstlight-check-{schedule.level}"
        units[f"{name}.service"] = _service("check.service", schedule, setting)
        units[f"{name}.timer"] = _timer(schedule, f"{schedule.level} check")
    if "drift" in commands:
        units["firstlight-drift.service"] = _service("drift.service", DRIFT, setting)
        units["firstlight-drift.timer"] = _timer(DRIFT, "what has changed, daily")
        for name in ("firstlight-drift.path", "firstlight-drift-soon.timer"):
            units[name] = _template(name)
    if "serve" in commands:
        local = _is_loopback(setting.listen)
        addresses = "IPAddressAllow=localhost\nIPAddressDeny=any\n" if local else ""
        units[EXPORTER] = _filled(_template(EXPORTER), setting, LISTEN=setting.listen, ADDRESSES=addresses)
    return units


def render_first_boot(setting: Setting) -> str:
    """Return the text of firstlight-firstboot.service."""
    return _filled(_template(FIRST_BOOT), setting, RETRY=str(RETRY_S))


def started(names: Collection[str]) -> list[str]:
    """Return the units that are enabled and started: those with an [Install] section."""
    return sorted(name for name in names if name == EXPORTER or name == "firstlight-drift.path"
                  or (name.endswith(".timer") and name != "firstlight-drift-soon.timer"))


def _service(template: str, schedule: Schedule, setting: Setting) -> str:
    text = _template(template).replace("@WORK@\n", _template("work.part"))
    return _filled(text.replace("@CONDITION@", _IDLE if schedule.idle else ""), setting,
                   LEVEL=schedule.level, TIMEOUT=str(schedule.timeout_s))


def _timer(schedule: Schedule, what: str) -> str:
    fill = {"WHAT": what, "CALENDAR": schedule.calendar, "JITTER": f"{schedule.jitter_s}s",
            "PERSISTENT": "true" if schedule.persistent else "false"}
    text = _template("any.timer")
    for name, value in fill.items():
        text = text.replace(f"@{name}@", value)
    return text


def _template(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _filled(text: str, setting: Setting, **more: str) -> str:
    for path in (setting.program, setting.state):
        if not _PLAIN.fullmatch(str(path)):
            raise UsageError(f"{path}: a unit cannot name this path",
                             "letters, digits and . _ + - only, from the root: install in /opt/firstlight")
    if not re.fullmatch(r"[A-Za-z0-9.:\[\]-]+", setting.listen):
        raise UsageError(f"{setting.listen}: is no HOST:PORT", "write it like 127.0.0.1:9836")
    for name, value in {"PROGRAM": str(setting.program), "STATE": str(setting.state),
                        "LISTEN": setting.listen, **more}.items():
        text = text.replace(f"@{name}@", value)
    return text


def _is_loopback(listen: str) -> bool:
    host = listen.rpartition(":")[0].strip("[]") or "127.0.0.1"
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
