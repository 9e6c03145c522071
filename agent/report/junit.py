"""JUnit XML: one suite per area, one case per finding.

fail → failure of type "fail"; warn → failure of type "warn" (a CI run must not be green by ignorance); unknown →
error; not-applicable → skipped.
"""

from __future__ import annotations

import time
from itertools import groupby
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from agent.model.verdict import Verdict
from agent.report.visible import visible
from agent.report.words import repair

if TYPE_CHECKING:
    from agent.model.finding import CheckRun, Finding, Report

_TAG = {
    Verdict.FAIL: "failure",
    Verdict.WARN: "failure",
    Verdict.UNKNOWN: "error",
    Verdict.NOT_APPLICABLE: "skipped",
}


def render_junit(report: Report) -> str:
    """Return the report as a JUnit document (UTF-8)."""
    suites = Element("testsuites", name=f"firstlight {report.profile}")
    by_area = sorted(report.runs, key=lambda run: run.check)
    for area, runs in groupby(by_area, key=lambda run: run.check.partition(".")[0]):
        _add_suite(suites, area, tuple(runs), report)
    indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(suites, encoding="unicode") + "\n"


def _add_suite(suites: Element, area: str, runs: tuple[CheckRun, ...], report: Report) -> None:
    findings = [finding for run in runs for finding in run.findings]
    tags = [_TAG.get(finding.verdict, "") for finding in findings]
    suite = SubElement(
        suites,
        "testsuite",
        {
            "name": area,
            "hostname": visible(report.machine),
            "tests": str(len(findings)),
            "failures": str(tags.count("failure")),
            "errors": str(tags.count("error")),
            "skipped": str(tags.count("skipped")),
            "time": f"{sum(run.duration_s for run in runs):.3f}",
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(report.started)),
        },
    )
    for run in runs:
        for finding in run.findings:
            _add_case(suite, run, finding)


def _add_case(suite: Element, run: CheckRun, finding: Finding) -> None:
    name = f"{run.title}: {visible(finding.subject)}" if finding.subject else run.title
    case = SubElement(
        suite,
        "testcase",
        {
            "classname": finding.check,
            "name": name,
            "time": f"{run.duration_s / max(len(run.findings), 1):.3f}",
        },
    )
    tag = _TAG.get(finding.verdict)
    if tag is None:
        return
    summary = visible(finding.summary)
    if tag == "skipped":
        SubElement(case, tag, {"message": summary})
        return
    element = SubElement(case, tag, {"message": summary, "type": finding.verdict.value})
    element.text = "\n".join(_details(finding))


def _details(finding: Finding) -> list[str]:
    lines = [
        f"{label}: {visible(text)}"
        for label, text in (("seen", finding.seen), ("expected", finding.expected))
        if text
    ]
    for evidence in finding.evidence:
        lines += [f"{visible(evidence.source)}:", *(f"  {visible(line)}" for line in evidence.lines)]
    return lines + [f"to do: {visible(step)}" for step in repair(finding)]
