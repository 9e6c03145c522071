"""Drift and smoke figures reach the page from where they are kept."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from agent.app import App
from agent.exporter.facts import Facts
from agent.exporter.measures import in_base_unit, with_drift, with_smoke
from agent.model.drift import Drift
from agent.model.job import JobLine
from agent.state.drifts import Drifts
from agent.state.history import History
from agent.state.jobs import JobHistory

SWAPPINESS = Drift("profile", "check", "kernel.sysctl vm.swappiness", "10", "60")
PACKAGE = Drift("baseline", "packages", "vim", "9.0", "9.1")


def line(job: str, subject: str, verdict: str, **figures: float) -> JobLine:
    return JobLine("box", job, subject, "", 100.0, 5.0, verdict, figures, {})


def test_drifts_are_counted_by_check_or_area_and_alike_ones_have_one_fingerprint() -> None:
    facts = with_drift(Facts(), 900.0, [SWAPPINESS, PACKAGE], ("profile", "baseline"))
    profile, baseline = facts.drift
    assert (profile.items, profile.finished) == ((("kernel.sysctl", 1),), 900.0)
    assert baseline.items == (("packages", 1),)
    (again,) = with_drift(Facts(), 5.0, [SWAPPINESS], ("profile",)).drift
    assert again.fingerprint == profile.fingerprint != baseline.fingerprint


def test_no_drift_is_told_as_looked_for_and_none_found() -> None:
    (fact,) = with_drift(Facts(), 900.0, [], ("profile",)).drift
    assert (fact.items, fact.finished) == ((), 900.0)


def test_a_job_passed_when_it_did_on_every_card() -> None:
    facts = with_smoke(Facts(), [line("bandwidth", "GPU-a", "pass", copy_gbs=2900.0),
                                 line("bandwidth", "GPU-b", "fail"),
                                 line("nvcc", "", "pass")])
    bandwidth, nvcc = facts.smoke
    assert (bandwidth.passed, nvcc.passed) == (False, True)
    assert bandwidth.figures == (("GPU-a", "copy_bytes_per_second", 2.9e12),)
    assert bandwidth.finished == 105.0


@pytest.mark.parametrize(("name", "expected"), [
    ("copy_gbs", ("copy_bytes_per_second", 1e9)), ("matmul_float32_tflops", ("matmul_float32_flops_per_second", 1e12)),
    ("step_p50_ms", ("step_p50_seconds", 1e-3)), ("tokens_per_s", ("tokens_per_second", 1.0)),
    ("peak_memory_bytes", ("peak_memory_bytes", 1.0)),
])
def test_figures_are_told_in_base_units(name: str, expected: tuple[str, float]) -> None:
    assert in_base_unit(name, 1.0) == expected


def test_the_exporter_follows_the_drift_and_the_jobs_that_are_kept(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(tmp_path))
    host, now = Path("/proc/sys/kernel/hostname").read_text().strip(), time.time()
    made = App().service(30.0)
    made.watch_once()
    assert made.facts is not None
    assert (made.facts.drift, made.facts.smoke) == ((), ())
    kept = Drifts(tmp_path)
    kept.note(host, now, [SWAPPINESS], [])
    history = JobHistory(History(tmp_path))
    history.add(JobLine(host, "nvcc", "", "", now, 1.0, "fail", {"compile_ms": 900.0}, {}))
    history.add(JobLine(host, "nvcc", "", "", now, 1.0, "pass", {"compile_ms": 700.0}, {}))
    history.close()
    made.watch_once()
    page = made.exposition.page("text").decode()
    assert 'firstlight_drift_items{against="profile",check="kernel.sysctl"} 1.0' in page
    assert 'against="baseline"' not in page
    assert 'firstlight_smoke_figure{figure="compile_seconds",smoke="nvcc",uuid=""} 0.7' in page
    assert 'firstlight_smoke_passed{smoke="nvcc"} 1.0' in page
    kept.note(host, now + 1, [], [])


def test_drifts_that_cannot_be_read_are_a_problem_not_an_absence(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(tmp_path))
    History(tmp_path).close()
    (tmp_path / "drift.sqlite").write_bytes(b"this is no database" * 100)
    made = App().service(30.0)
    made.watch_once()
    assert made.facts is not None
    assert "drift.sqlite: cannot be read" in made.facts.problem
