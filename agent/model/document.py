"""Reports as JSON documents and back. The form is published as docs/schema/report.json."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from agent.model.errors import FirstlightError
from agent.model.finding import SCHEMA_VERSION, CheckRun, Evidence, Finding, Remedy, Report
from agent.model.verdict import Verdict, exit_code

if TYPE_CHECKING:
    from collections.abc import Iterable

WORST = (Verdict.FAIL, Verdict.WARN, Verdict.UNKNOWN, Verdict.PASS, Verdict.NOT_APPLICABLE)


def counts(findings: Iterable[Finding]) -> dict[str, int]:
    """Return how many findings have each verdict, all five named, worst first."""
    found = dict.fromkeys((verdict.value for verdict in WORST), 0)
    for finding in findings:
        found[finding.verdict.value] += 1
    return found


def report_to_document(report: Report) -> dict[str, Any]:
    """Return the report as a JSON object, with counts and exit code for readers that want no more."""
    document = asdict(report)
    if not report.partial:
        del document["partial"]
    for run in document["runs"]:
        run["duration_s"] = round(run["duration_s"], 4)
    document["counts"] = counts(report.findings)
    document["exit_code"] = exit_code(finding.verdict for finding in report.findings)
    return document


def report_from_document(document: Any, name: str) -> Report:
    """Return the report in a JSON object (bare, or the `data` of an envelope).

    Raises FirstlightError that starts with `name` and says what is wrong.
    """
    if isinstance(document, dict) and isinstance(document.get("data"), dict):
        document = document["data"]
    if not isinstance(document, dict) or "runs" not in document:
        raise FirstlightError(f"{name}: this is not a report", "make one with: firstlight check -o json")
    if document.get("schema_version") != SCHEMA_VERSION:
        raise FirstlightError(
            f"{name}: report schema {document.get('schema_version')!r} is not known, only {SCHEMA_VERSION}",
            "read it with the version of Firstlight that wrote it",
        )
    try:
        return Report(
            machine=str(document["machine"]),
            profile=str(document["profile"]),
            profile_digest=str(document["profile_digest"]),
            level=str(document["level"]),
            started=float(document["started"]),
            finished=float(document["finished"]),
            runs=tuple(_run(run) for run in document["runs"]),
            partial=document.get("partial") is True,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FirstlightError(
            f"{name}: the report is damaged: {type(error).__name__}: {error}",
            "make a new one with: firstlight check -o json",
        ) from error


def _run(run: dict[str, Any]) -> CheckRun:
    return CheckRun(
        str(run["check"]),
        str(run["title"]),
        float(run["duration_s"]),
        tuple(_finding(finding) for finding in run["findings"]),
    )


def _finding(finding: dict[str, Any]) -> Finding:
    remedy = finding.get("remedy") or {}
    return Finding(
        check=str(finding["check"]),
        verdict=Verdict(finding["verdict"]),
        summary=str(finding["summary"]),
        subject=str(finding.get("subject", "")),
        seen=str(finding.get("seen", "")),
        expected=str(finding.get("expected", "")),
        evidence=tuple(
            Evidence(str(item["source"]), tuple(map(str, item["lines"])))
            for item in finding.get("evidence", ())
        ),
        remedy=Remedy(remedy.get("role"), tuple(map(str, remedy.get("steps", ())))),
    )
