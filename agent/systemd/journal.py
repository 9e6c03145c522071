"""Structured lines in the journal, in its native form (systemd.io/JOURNAL_NATIVE_PROTOCOL): one datagram a line."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

from agent.model.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from agent.model.drift import Drift, DriftReport
    from agent.model.finding import Finding, Report

SOCKET = "/run/systemd/journal/socket"
IDENTIFIER = "firstlight"
PRIORITY = {Verdict.FAIL: 3, Verdict.WARN: 4, Verdict.UNKNOWN: 4, Verdict.PASS: 6, Verdict.NOT_APPLICABLE: 6}
_TROUBLE = (Verdict.FAIL, Verdict.WARN, Verdict.UNKNOWN)
_LIMIT_BYTES = 32 << 10


def send(fields: Mapping[str, str], path: str = SOCKET) -> bool:
    """Write one line to the journal; return False where there is none to write to."""
    content = b"".join(_field(name, value) for name, value in {"SYSLOG_IDENTIFIER": IDENTIFIER, **fields}.items())
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        try:
            channel.sendto(content, path)
        except OSError:
            return False
    return True


def report_lines(report: Report, summary: str) -> Iterator[dict[str, str]]:
    """Yield the fields of one line per finding that is not right, and one for the whole report."""
    for finding in report.findings:
        if finding.verdict in _TROUBLE:
            yield _finding(finding, report)
    worst = min((PRIORITY[finding.verdict] for finding in report.findings), default=4)
    yield {"MESSAGE": f"{report.level} check: {summary}", "PRIORITY": str(max(worst, 4) if worst < 6 else 6),
           "FIRSTLIGHT_LEVEL": report.level, "FIRSTLIGHT_PROFILE": report.profile,
           "FIRSTLIGHT_DURATION_SECONDS": f"{report.finished - report.started:.3f}"}


def _finding(finding: Finding, report: Report) -> dict[str, str]:
    subject = f" {finding.subject}" if finding.subject else ""
    fields = {
        "MESSAGE": f"{finding.verdict.value}: {finding.check}{subject}: {finding.summary}",
        "PRIORITY": str(PRIORITY[finding.verdict]), "FIRSTLIGHT_LEVEL": report.level,
        "FIRSTLIGHT_CHECK": finding.check, "FIRSTLIGHT_VERDICT": finding.verdict.value,
        "FIRSTLIGHT_SUBJECT": finding.subject, "FIRSTLIGHT_SEEN": finding.seen,
        "FIRSTLIGHT_EXPECTED": finding.expected,
    }
    return {name: value for name, value in fields.items() if value}


def drift_lines(report: DriftReport) -> Iterator[dict[str, str]]:
    """Yield the fields of one line per drift, per drift that is gone, and one for the whole look."""
    for drift in report.drifts:
        now = f"{drift.before or 'absent'} → {drift.after or 'absent'}"
        yield _told(drift, f"drift from the {drift.against}: {drift.area} {drift.key}: {drift.summary or now}", 4) | {
            name: value for name, value in {
                "FIRSTLIGHT_DRIFT_BEFORE": drift.before, "FIRSTLIGHT_DRIFT_AFTER": drift.after,
                "FIRSTLIGHT_DRIFT_CAUSE": drift.cause,
                "FIRSTLIGHT_DRIFT_CHANGED": "" if drift.changed is None else f"{drift.changed:.3f}"}.items() if value}
    for kept in report.ended:
        yield _told(kept.drift, f"gone: {kept.drift.area} {kept.drift.key}, put back {kept.put_back}", 6)
    count = len(report.drifts)
    blind = f", {len(report.unseen)} not compared" if report.unseen else ""
    yield {"MESSAGE": f"drift: {count or 'no'} drift{'' if count == 1 else 's'}{blind}",
           "PRIORITY": "4" if count or report.unseen else "6", "FIRSTLIGHT_DRIFTS": str(count),
           "FIRSTLIGHT_PROFILE": report.fingerprint.profile}


def _told(drift: Drift, message: str, priority: int) -> dict[str, str]:
    return {"MESSAGE": message, "PRIORITY": str(priority), "FIRSTLIGHT_DRIFT_AREA": drift.area,
            "FIRSTLIGHT_DRIFT_KEY": drift.key, "FIRSTLIGHT_DRIFT_AGAINST": drift.against}


def _field(name: str, value: str) -> bytes:
    data = value.encode(errors="replace")[:_LIMIT_BYTES]
    if b"\n" not in data:
        return name.encode() + b"=" + data + b"\n"
    return name.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n"
