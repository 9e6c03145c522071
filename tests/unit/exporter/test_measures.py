"""Drift and smoke figures reach the page from where they are kept."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import replace
from pathlib import Path

import pytest

from agent.app import App
from agent.cli.main import main
from agent.exporter.fact_samples import add_facts
from agent.exporter.facts import Facts
from agent.exporter.gathering import Gathering
from agent.exporter.measures import in_base_unit, with_drift, with_smoke
from agent.model.drift import Drift
from agent.model.finding import Report
from agent.model.job import REMOTE, JobLine
from agent.state import reading
from agent.state.drifts import Drifts
from agent.state.history import History
from agent.state.jobs import JobHistory
from agent.state.measured import Measured
from agent.state.reading import Watcher
from agent.systemd.publish import publish
from tests.unit.smoke.jobs import document, interpreter

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


def test_a_job_that_failed_on_one_card_failed() -> None:
    facts = with_smoke(Facts(), [line("bandwidth", "GPU-a", "pass", copy_gbs=2900.0),
                                 line("bandwidth", "GPU-b", "fail"),
                                 line("nvcc", "", "pass")])
    bandwidth, nvcc = facts.smoke
    assert (bandwidth.passed, nvcc.passed) == (False, True)
    assert bandwidth.figures == (("GPU-a", "copy_bytes_per_second", 2.9e12),)
    assert bandwidth.finished == 105.0


@pytest.mark.parametrize(("verdicts", "value"), [
    (("pass",), 1), (("fail",), 0), (("warn",), 1), (("unknown",), None), (("not-applicable",), None),
    (("pass", "unknown"), 1), (("unknown", "fail"), 0), (("warn", "not-applicable"), 1),
])
def test_only_a_failure_is_0_and_what_proves_nothing_has_no_series(
        verdicts: tuple[str, ...], value: float | None) -> None:
    lines = [line("lora-peft", f"GPU-{number}", verdict) for number, verdict in enumerate(verdicts)]
    into = Gathering()
    add_facts(into, with_smoke(Facts(), lines))
    assert into.series("firstlight_smoke_passed") == ({} if value is None else {("lora-peft",): value})


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


@pytest.mark.parametrize("place", ["own", "published"])
def test_only_the_newest_run_of_a_job_on_this_machine_counts(tmp_path: Path, place: str) -> None:
    def counted() -> list[tuple[str, str, str]]:
        folder = publish(tmp_path).parent if place == "published" else tmp_path
        return [(line.job, line.subject, line.verdict) for line in Measured(Watcher(folder, "box")).newest_results()]

    history = JobHistory(History(tmp_path))
    history.add(replace(line("bandwidth", "GPU-replaced", "fail"), started=1.0))
    history.add(replace(line("bandwidth", "GPU-1", "fail"), started=1.0))
    history.add(replace(line("nvcc", "", "pass"), started=1.0))
    assert counted() == [("bandwidth", "GPU-replaced", "fail"), ("bandwidth", "GPU-1", "fail"), ("nvcc", "", "pass")]
    for subject in ("GPU-1", "GPU-2"):
        history.add(replace(line("bandwidth", subject, "pass"), started=2.0))
    assert counted() == [("nvcc", "", "pass"), ("bandwidth", "GPU-1", "pass"), ("bandwidth", "GPU-2", "pass")]
    history.add(replace(line("vllm", "", "fail"), started=3.0, setting=f"{REMOTE} H200"))
    assert "vllm" not in {job for job, _, _ in counted()}, "a server elsewhere is no proof of this machine"
    history.add(replace(line("vllm", "", "pass"), started=4.0, setting="local"))
    history.add(replace(line("vllm", "", "fail"), started=5.0, setting=REMOTE))
    assert counted()[-1] == ("vllm", "", "pass")
    history.close()


def test_drifts_that_cannot_be_read_are_a_problem_not_an_absence(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(tmp_path))
    History(tmp_path).close()
    (tmp_path / "drift.sqlite").write_bytes(b"this is no database" * 100)
    made = App().service(30.0)
    made.watch_once()
    assert made.facts is not None
    assert "drift.sqlite: cannot be read" in made.facts.problem


def test_a_look_opens_one_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(tmp_path))
    host, now = Path("/proc/sys/kernel/hostname").read_text().strip(), time.time()
    Drifts(tmp_path).note(host, now, [SWAPPINESS], [])
    with History(tmp_path) as history:
        history.add_report(Report(host, "p", "d", "quick", now, now, ()))
        JobHistory(history).add(JobLine(host, "nvcc", "", "", now, 1.0, "pass", {}, {}))
    made, opened = App().service(30.0), []
    monkeypatch.setattr(reading.sqlite3, "connect", lambda *words, connect=sqlite3.connect, **more:
                        opened.append(words) or connect(*words, **more))
    made.watch_once()
    assert made.facts is not None
    assert (len(made.facts.drift), len(made.facts.smoke), set(made.facts.reports)) == (1, 1, {"quick"})
    assert len(opened) == 1
    made.watch_once()
    made.watch_once()
    opened.clear()
    made.watch_once()
    assert opened == [], "nothing changed"


def test_what_was_kept_is_published_at_once_where_the_exporter_is_installed(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("FIRSTLIGHT_CONFIG", str(tmp_path / "etc"))
    assert main(["smoke", "nvcc", "--profile", "cpu-only"]) in (0, 2)
    assert not (tmp_path / "state" / "public").exists()
    published = publish(tmp_path / "state").parent
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(published))
    made = App().service(30.0)
    made.watch_once()
    assert made.facts is not None
    before = {fact.job for fact in made.facts.smoke}
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(tmp_path / "state"))
    program = interpreter(tmp_path / "p", document(device="cpu", tokens_per_s=26745.0))
    assert main(["smoke", "lora", "--python", program, "--profile", "cpu-only"]) == 0
    made.watch_once()
    assert {fact.job for fact in made.facts.smoke} - before == {"lora"}
    assert main(["check", "--only", "kernel.sysctl", "--profile", "cpu-only"]) in (0, 1, 2)
    made.watch_once()
    assert "kernel.sysctl" in made.facts.checks
    assert made.facts.reports == {}, "one chosen check is no whole report"
    assert main(["drift", "--accept", "as it is", "--profile", "cpu-only"]) == 0
    made.watch_once()
    assert Measured(Watcher(published, App().drift.name.machine)).has_baseline()
