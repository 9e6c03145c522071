"""Reports and runs as series."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from agent.exporter.fact_samples import add_ages, add_facts
from agent.exporter.facts import SUBJECTS, DriftFact, Facts, SmokeFact, with_report
from agent.exporter.gathering import Gathering
from agent.exporter.looking import HistoryLook
from agent.exporter.measures import with_drift
from agent.model.finding import CheckRun, Finding, Report
from agent.model.plan import Outcome, Run
from agent.model.verdict import Verdict
from agent.state.history import History
from agent.state.reading import Watcher

HOST = "box-7"
NOW = time.time()


def report(*findings: Finding, finished: float = 1000.0, level: str = "quick") -> Report:
    runs: dict[str, list[Finding]] = {}
    for finding in findings:
        runs.setdefault(finding.check, []).append(finding)
    made = tuple(CheckRun(check, check, 0.25, tuple(found)) for check, found in runs.items())
    return Report(HOST, "cpu-only", "0123456789abcdef", level, finished - 2, finished, made)


def shown(facts: Facts, now: float = 1000.0) -> Gathering:
    into = Gathering()
    add_facts(into, facts)
    add_ages(into, facts, now)
    return into


def test_a_verdict_has_one_series_per_subject_and_the_worst_wins() -> None:
    page = shown(with_report(Facts(), report(
        Finding("a.x", Verdict.PASS, "", "/"), Finding("a.x", Verdict.FAIL, "", "/"),
        Finding("a.x", Verdict.WARN, "", "/data"), Finding("b.y", Verdict.UNKNOWN, ""))))
    assert page.series("firstlight_check_verdict") == {
        ("a.x", "/", "fail"): 1, ("a.x", "/data", "warn"): 1, ("b.y", "", "unknown"): 1}
    assert page.series("firstlight_findings") == {("a", "fail"): 1, ("a", "warn"): 1, ("b", "unknown"): 1}
    assert page.value("firstlight_check_duration_seconds", "a.x") == 0.25
    assert page.series("firstlight_profile_info") == {("cpu-only", "0123456789ab"): 1}


def test_an_age_grows_until_the_check_runs_again() -> None:
    facts = with_report(Facts(), report(Finding("a.x", Verdict.PASS, ""), Finding("b.y", Verdict.PASS, "")))
    assert shown(facts, 1500).value("firstlight_check_age_seconds", "a.x") == 500
    facts = with_report(facts, report(Finding("a.x", Verdict.PASS, ""), finished=1400, level="deep"))
    page = shown(facts, 1500)
    assert page.value("firstlight_check_age_seconds", "a.x") == 100
    assert page.value("firstlight_check_age_seconds", "b.y") == 500
    assert page.series("firstlight_report_age_seconds") == {("quick",): 500, ("deep",): 100}


def test_a_report_of_chosen_checks_renews_their_ages_and_not_the_reports() -> None:
    facts = with_report(Facts(), report(Finding("a.x", Verdict.PASS, ""), Finding("b.y", Verdict.PASS, "")))
    chosen = replace(report(Finding("a.x", Verdict.FAIL, ""), finished=90000), partial=True, profile="another")
    facts = with_report(facts, chosen)
    page = shown(facts, 90100)
    assert page.series("firstlight_check_age_seconds") == {("a.x",): 100, ("b.y",): 89100}
    assert page.value("firstlight_check_verdict", "a.x", "", "fail") == 1
    assert page.series("firstlight_report_age_seconds") == {("quick",): 89100}
    assert page.value("firstlight_report_duration_seconds", "quick") == 2
    assert shown(with_report(Facts(), chosen)).series("firstlight_report_age_seconds") == {}


def test_a_clock_set_back_gives_no_negative_age() -> None:
    assert shown(with_report(Facts(), report(Finding("a.x", Verdict.PASS, ""))), 10).value(
        "firstlight_check_age_seconds", "a.x") == 0


def test_subjects_of_a_check_are_bounded_and_the_worst_stay() -> None:
    many = [Finding("a.x", Verdict.PASS, "", f"{number:03d}") for number in range(200)]
    page = shown(with_report(Facts(), report(*many, Finding("a.x", Verdict.FAIL, "", "zzz"))))
    assert len(page.series("firstlight_check_verdict")) == SUBJECTS
    assert page.value("firstlight_check_verdict", "a.x", "zzz", "fail") == 1
    assert page.value("firstlight_check_subjects_left_out", "a.x") == 201 - SUBJECTS


def test_a_check_that_no_report_names_any_more_ends() -> None:
    facts = with_report(Facts(), report(Finding("old.x", Verdict.PASS, "")))
    facts = with_report(facts, report(Finding("a.x", Verdict.PASS, ""), finished=1000 + 31 * 86400))
    assert set(facts.checks) == {"a.x"}


def test_labels_can_always_be_written() -> None:
    page = shown(with_report(Facts(), report(Finding("a.x", Verdict.PASS, "", 'a"\n\udcff' + "x" * 500))))
    ((_, subject, _),) = page.series("firstlight_check_verdict")
    assert subject.encode()
    assert len(subject) == 200
    assert "\n" not in subject


def test_drift_and_smoke_figures_have_series() -> None:
    facts = Facts(drift=(DriftFact("profile", (("kernel.sysctl", 2),), "beef", 900),),
                  smoke=(SmokeFact("lora", True, (("", "steps_per_second", 3.5),), 800),))
    page = shown(facts)
    assert page.value("firstlight_drift_items", "profile", "kernel.sysctl") == 2
    assert page.value("firstlight_drift_info", "profile", "beef") == 1
    assert page.value("firstlight_drift_age_seconds", "profile") == 100
    assert page.value("firstlight_smoke_figure", "lora", "steps_per_second", "") == 3.5


def test_no_drift_has_no_fingerprint() -> None:
    page = shown(with_drift(Facts(), 900.0, [], ("profile",)))
    assert page.series("firstlight_drift_info") == {}
    assert page.value("firstlight_drift_age_seconds", "profile") == 100


def test_a_label_too_few_is_an_error_of_ours() -> None:
    with pytest.raises(ValueError, match="labels"):
        Gathering().add("firstlight_gpu_up", 1)


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path)


def test_the_history_is_followed(history: History, tmp_path: Path) -> None:
    look = HistoryLook(Watcher(tmp_path, HOST))
    assert look().checks == {}
    history.add_report(report(Finding("a.x", Verdict.PASS, ""), finished=time.time()))
    history.add_report(Report("another", "p", "d", "quick", 0, time.time(), ()))
    history.add_run(Run("1", "apply", "p", (), Outcome.FAILED, NOW - 4, NOW, ()), HOST)
    facts = look()
    assert set(facts.checks) == {"a.x"}
    assert facts.profile == "cpu-only"
    assert (facts.runs["apply"].outcome, facts.runs["apply"].duration_s) == ("failed", pytest.approx(4))
    assert look() is facts


def test_no_history_is_no_problem_and_no_file_is_made(tmp_path: Path) -> None:
    facts = HistoryLook(Watcher(tmp_path, HOST))()
    assert facts.problem == ""
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_history_keeps_what_is_known_and_says_so(history: History, tmp_path: Path) -> None:
    look = HistoryLook(Watcher(tmp_path, HOST))
    history.add_report(report(Finding("a.x", Verdict.PASS, ""), finished=time.time()))
    look()
    history.close()
    file = tmp_path / "history.sqlite"
    file.write_bytes(b"no database" * 1000)
    facts = look()
    assert "cannot be read" in facts.problem
    assert set(facts.checks) == {"a.x"}
    assert shown(facts).value("firstlight_history_readable") == 0
    assert file.read_bytes().startswith(b"no database")


def test_a_damaged_report_does_not_hide_the_others(history: History, tmp_path: Path) -> None:
    history.add_report(report(Finding("a.x", Verdict.PASS, ""), finished=time.time()))
    number = history.add_report(report(Finding("b.y", Verdict.PASS, ""), finished=time.time()))
    history.close()
    with closing(sqlite3.connect(tmp_path / "history.sqlite")) as db, db:
        db.execute("UPDATE entry SET document = '{' WHERE id = ?", (number,))
    assert set(HistoryLook(Watcher(tmp_path, HOST))().checks) == {"a.x"}
