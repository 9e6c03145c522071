"""What a machine is beyond its profile (fingerprint), and what of it changed (drift)."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field

SCHEMA_VERSION = 1
UNREAD = "?"  # stands for a value that could not be read; it is never compared

Facts = dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Facts by area and key. `unread`: areas that could not be looked at, with the reason.

    `system` is distribution, version and architecture; `taken` in seconds since the epoch.
    """

    machine: str
    profile: str
    profile_digest: str
    system: str
    taken: float
    facts: Facts
    unread: dict[str, str] = field(default_factory=dict)

    def digests(self) -> dict[str, str]:
        """Return 12 hex digits for each area that was looked at: equal digests mean equal facts."""
        return {area: digest_of(facts) for area, facts in sorted(self.facts.items())}


@dataclass(frozen=True, slots=True)
class Difference:
    """One fact that two fingerprints tell differently; "" where one of them has it not."""

    area: str
    key: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Drift:
    """Something that is not as it was or should be.

    `against`: profile, baseline or a file. `area` is an area of the fingerprint, or `check` for a finding against
    the profile (`key` is then the check and its subject). `changed`: when it became so, seconds since the epoch, None
    when nothing tells; then it was between `earliest` (0 = not known) and the look. `cause` says who or what did it,
    as far as a log tells; `role` repairs it.
    """

    against: str
    area: str
    key: str
    before: str
    after: str
    changed: float | None = None
    earliest: float = 0.0
    cause: str = ""
    role: str = ""
    summary: str = ""

    @property
    def identity(self) -> tuple[str, str, str]:
        """What makes it the same drift at the next look."""
        return (self.against, self.area, self.key)


@dataclass(frozen=True, slots=True)
class KeptDrift:
    """A drift in the history. `ended`: when it was seen to be gone (None = it still is); `put_back` says by what."""

    drift: Drift
    first_seen: float
    last_seen: float
    ended: float | None = None
    put_back: str = ""


@dataclass(frozen=True, slots=True)
class Baseline:
    """A fingerprint that somebody accepted, when, by whom and why."""

    fingerprint: Fingerprint
    accepted: float
    reason: str
    by: str


@dataclass(frozen=True, slots=True)
class DriftReport:
    """One look for drift. `unseen`: what could not be compared, with the reason. `ended`: gone since the last look."""

    fingerprint: Fingerprint
    drifts: tuple[Drift, ...]
    unseen: dict[str, str]
    ended: tuple[KeptDrift, ...] = ()
    baseline: Baseline | None = None
    against: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()


def printed_name(area: str, key: str) -> str:
    """Return what `drift` calls it, and `drift.ignore` of the profile: AREA KEY, of a finding CHECK SUBJECT alone."""
    return key if area == "check" else f"{area} {key}"


def digest_of(facts: dict[str, str]) -> str:
    """Return 12 hex digits of the SHA-256 of facts in order."""
    import hashlib

    text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def time_text(seconds: float) -> str:
    """Return a time as `2026-11-21 14:05:09 UTC`."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
