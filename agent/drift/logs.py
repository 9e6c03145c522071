"""Who changed what, as far as the machine's logs tell: dpkg, apt, the journal."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from agent.machine.masking import without_secrets
from agent.model.errors import Unobservable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

    from agent.machine.api import Machine

DPKG_LOGS = ("/var/log/dpkg.log.1", "/var/log/dpkg.log")
APT_LOGS = ("/var/log/apt/history.log.1.gz", "/var/log/apt/history.log")  # rotated monthly, and packed at once
JOURNAL_ARGV = (
    "journalctl",
    "-q",
    "--no-pager",
    "-o",
    "json",
    "--output-fields=MESSAGE,SYSLOG_IDENTIFIER",
    "-n",
    "2000",
    *(
        f"SYSLOG_IDENTIFIER={name}"
        for name in (
            "sudo",
            "useradd",
            "usermod",
            "userdel",
            "groupadd",
            "groupmod",
            "groupdel",
            "gpasswd",
            "adduser",
            "chsh",
        )
    ),
)
_LIMIT_BYTES = 16 << 20
_MOVED = re.compile(r"([^\s,()]+):\w+ \(")
_SUDO = re.compile(r"\s*(\S+) : .*?COMMAND=(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PackageEvent:
    """A line of dpkg's log. `action`: install, upgrade, remove, purge. Time in seconds since the epoch."""

    time: float
    action: str
    package: str


@dataclass(frozen=True, slots=True)
class Span:
    """Something that went on from `start` to `end`, and how to say it. `packages`: what apt says it moved."""

    start: float
    end: float
    said: str
    packages: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Message:
    """A journal line about accounts."""

    time: float
    program: str
    text: str


@dataclass(frozen=True, slots=True)
class Logs:
    """Everything the logs tell, oldest first."""

    packages: tuple[PackageEvent, ...]
    spans: tuple[Span, ...]
    accounts: tuple[Message, ...]


def observe_logs(machine: Machine) -> Logs:
    """Return what the logs tell; one that cannot be read tells nothing."""
    zone = _zone(machine)
    packages = tuple(event for path in DPKG_LOGS for event in parse_dpkg_log(_text(machine, path), zone))
    apt = tuple(span for path in APT_LOGS for span in parse_apt_history(_text(machine, path), zone))
    sudo, accounts = parse_messages(_journal(machine))
    return Logs(packages, (*apt, *sudo), accounts)


def parse_dpkg_log(text: str, zone: tzinfo | None) -> Iterator[PackageEvent]:
    """Yield the installs, upgrades, removals and purges of a dpkg.log."""
    for line in text.splitlines():
        fields = line.split(" ")
        if len(fields) >= 5 and fields[2] in ("install", "upgrade", "remove", "purge"):
            yield PackageEvent(
                _time(f"{fields[0]} {fields[1]}", zone), fields[2], fields[3].partition(":")[0]
            )


def parse_apt_history(text: str, zone: tzinfo | None) -> Iterator[Span]:
    """Yield the transactions of apt's history.log: the command line and who asked for it."""
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.strip().splitlines() if ": " in line)
        if "Start-Date" in fields:
            start = _time(fields["Start-Date"], zone)
            who = f", asked for by {fields['Requested-By']}" if "Requested-By" in fields else ""
            said = without_secrets(fields.get("Commandline", "apt")) + who
            moved = "".join(
                fields.get(kind, "")
                for kind in ("Install", "Upgrade", "Downgrade", "Reinstall", "Remove", "Purge")
            )
            yield Span(
                start,
                _time(fields.get("End-Date", fields["Start-Date"]), zone),
                said,
                frozenset(_MOVED.findall(moved)),
            )


def parse_messages(text: str) -> tuple[tuple[Span, ...], tuple[Message, ...]]:
    """Return the commands given to sudo, and what useradd and its like said."""
    spans, messages = [], []
    for line in text.splitlines():
        try:
            entry = json.loads(line)
            when = int(entry["__REALTIME_TIMESTAMP"]) / 1e6
        except (ValueError, KeyError, TypeError):
            continue
        said, program = str(entry.get("MESSAGE", "")), str(entry.get("SYSLOG_IDENTIFIER", ""))
        if program != "sudo":
            messages.append(Message(when, program, said))
        elif match := _SUDO.match(said):
            spans.append(Span(when - 1, when + 3, f"sudo {without_secrets(match[2]).strip()}, by {match[1]}"))
    return tuple(spans), tuple(messages)


def _zone(machine: Machine) -> tzinfo | None:
    try:
        name = machine.status("/etc/localtime").target.partition("zoneinfo/")[2]
        return ZoneInfo(name or "UTC")
    except (Unobservable, ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC") if _has_utc() else None


def _has_utc() -> bool:
    try:
        return ZoneInfo("UTC") is not None
    except ZoneInfoNotFoundError:
        return False


def _time(text: str, zone: tzinfo | None) -> float:
    """Return `2026-11-21 16:00:01` (any blanks) in seconds since the epoch; 0 for what is no time."""
    try:
        moment = datetime.strptime(" ".join(text.split()), "%Y-%m-%d %H:%M:%S")
    except ValueError:
        return 0.0
    return moment.replace(tzinfo=zone).timestamp() if zone else time.mktime(moment.timetuple())


def _text(machine: Machine, path: str) -> str:
    try:
        if path.endswith(".gz"):
            return _unpacked(machine.read_bytes(path, limit_bytes=_LIMIT_BYTES))
        return machine.read(path, limit_bytes=_LIMIT_BYTES)
    except Unobservable:
        return ""


def _unpacked(packed: bytes) -> str:
    """Return at most 16 MiB of a gzip file's text; nothing of a damaged one."""
    import zlib

    try:
        return zlib.decompressobj(wbits=31).decompress(packed, _LIMIT_BYTES).decode(errors="replace")
    except zlib.error:
        return ""


def _journal(machine: Machine) -> str:
    try:
        return machine.run(JOURNAL_ARGV, timeout_s=10.0, ok=None).out
    except Unobservable:
        return ""
