"""Fingerprints and drift reports as JSON objects, and back.

A report's `data` begins with `head`: who it is, and one digest an area. A reader of very many reports needs no more.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from agent.model.drift import SCHEMA_VERSION, Fingerprint
from agent.model.errors import FirstlightError

if TYPE_CHECKING:
    from agent.model.drift import DriftReport


def fingerprint_to_document(taken: Fingerprint) -> dict[str, Any]:
    """Return the fingerprint as a JSON object: head, unread, facts."""
    return {"head": head(taken), "unread": taken.unread, "facts": taken.facts}


def head(taken: Fingerprint) -> dict[str, Any]:
    """Return whose fingerprint it is, when it was taken, and the digest of each area."""
    return {
        "schema_version": SCHEMA_VERSION,
        "machine": taken.machine,
        "profile": taken.profile,
        "profile_digest": taken.profile_digest,
        "system": taken.system,
        "taken": taken.taken,
        "digests": taken.digests(),
    }


def report_to_document(report: DriftReport, *, facts: bool = False) -> dict[str, Any]:
    """Return one look for drift as a JSON object; with all facts when asked for."""
    baseline = report.baseline
    document: dict[str, Any] = {
        "head": head(report.fingerprint) | {"drifts": len(report.drifts), "ignore": list(report.ignore)},
        "against": list(report.against),
        "baseline": None
        if baseline is None
        else {"accepted": baseline.accepted, "reason": baseline.reason, "by": baseline.by},
        "drifts": [asdict(drift) for drift in report.drifts],
        "ended": [asdict(kept) for kept in report.ended],
        "unseen": report.unseen,
    }
    return document | (
        {"unread": report.fingerprint.unread, "facts": report.fingerprint.facts} if facts else {}
    )


def fingerprint_from_document(document: Any, name: str) -> Fingerprint:
    """Return the fingerprint in a JSON object (bare, or `data` of an envelope).

    Raises FirstlightError that starts with `name` and says what is wrong.
    """
    if isinstance(document, dict) and isinstance(document.get("data"), dict):
        document = document["data"]
    if not isinstance(document, dict) or "head" not in document:
        raise FirstlightError(
            f"{name}: this is not a drift report", "make one with: firstlight drift --facts -o json"
        )
    if "facts" not in document:
        raise FirstlightError(
            f"{name}: the report holds no facts", "make it with: firstlight drift --facts -o json"
        )
    told = document["head"]
    try:
        if told["schema_version"] != SCHEMA_VERSION:
            raise FirstlightError(
                f"{name}: schema {told['schema_version']!r} is not known, only {SCHEMA_VERSION}",
                "read it with the version of Firstlight that wrote it",
            )
        return Fingerprint(
            machine=str(told["machine"]),
            profile=str(told["profile"]),
            profile_digest=str(told["profile_digest"]),
            system=str(told["system"]),
            taken=float(told["taken"]),
            facts={
                str(area): {str(key): str(value) for key, value in facts.items()}
                for area, facts in document["facts"].items()
            },
            unread={str(area): str(reason) for area, reason in (document.get("unread") or {}).items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FirstlightError(
            f"{name}: the drift report is damaged: {type(error).__name__}: {error}",
            "make a new one with: firstlight drift --facts -o json",
        ) from error
