from __future__ import annotations

from dataclasses import replace

from agent.model.finding import CheckRun, Finding, Report
from agent.model.verdict import Verdict
from agent.report.difference import differences, differences_document, render_differences
from tests.unit.report.sample import HEALTHY, REPORT


def _with(verdict: Verdict, seen: str = "") -> Report:
    run = CheckRun("kernel.sysctl", "", 0, (Finding("kernel.sysctl", verdict, f"it is {seen}", seen=seen),))
    return replace(HEALTHY, runs=(run,))


def test_a_report_does_not_differ_from_itself() -> None:
    assert differences(REPORT, REPORT) == []
    assert render_differences([]) == "no difference\n"


def test_another_verdict_is_a_difference() -> None:
    found = differences(_with(Verdict.PASS, "1"), _with(Verdict.FAIL, "60"))
    assert render_differences(found) == "kernel.sysctl: ✓ pass -> ✗ FAIL\n    it is 60\n"
    assert differences_document(found)[0]["after"] == {"verdict": "fail", "seen": "60", "summary": "it is 60"}


def test_another_value_matters_only_while_it_is_wrong() -> None:
    assert differences(_with(Verdict.PASS, "1"), _with(Verdict.PASS, "2")) == []
    assert len(differences(_with(Verdict.FAIL, "1"), _with(Verdict.FAIL, "2"))) == 1


def test_a_subject_that_appeared_or_went_is_a_difference() -> None:
    empty = replace(HEALTHY, runs=(CheckRun("kernel.sysctl", "", 0, ()),))
    assert "absent -> ✗ FAIL" in render_differences(differences(empty, _with(Verdict.FAIL)))
    assert "✗ FAIL -> absent" in render_differences(differences(_with(Verdict.FAIL), empty))


def test_a_check_that_ran_in_one_report_only_says_nothing() -> None:
    assert differences(replace(HEALTHY, runs=()), REPORT) == []
