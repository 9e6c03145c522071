"""Findings and the report they are gathered in."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.model.verdict import Verdict

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where something was seen: a command or a file, and the lines that show it."""

    source: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Remedy:
    """What repairs a finding: a role (`firstlight fix CHECK`), or numbered steps for a human, or both."""

    role: str | None = None
    steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """One judged fact. `subject` names what it is about (mount, unit, GPU UUID); empty = the machine."""

    check: str
    verdict: Verdict
    summary: str
    subject: str = ""
    seen: str = ""
    expected: str = ""
    evidence: tuple[Evidence, ...] = ()
    remedy: Remedy = field(default_factory=Remedy)


@dataclass(frozen=True, slots=True)
class CheckRun:
    """How long one check took and what it found. `duration_s` in seconds of wall time."""

    check: str
    title: str
    duration_s: float
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """Everything one `check` run saw. `started`/`finished` are seconds since the epoch (UTC).

    `partial`: only chosen checks were run (`--only`), not all of the level.
    """

    machine: str
    profile: str
    profile_digest: str
    level: str
    started: float
    finished: float
    runs: tuple[CheckRun, ...]
    schema_version: int = SCHEMA_VERSION
    partial: bool = False

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, in the order of the checks."""
        return tuple(finding for run in self.runs for finding in run.findings)
