from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

from agent.model.drift import Drift, DriftReport, Fingerprint, KeptDrift
from agent.model.finding import CheckRun, Finding, Report
from agent.model.verdict import Verdict
from agent.systemd.journal import drift_lines, report_lines, send


def received(tmp_path: Path, fields: dict[str, str]) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "socket"))
        channel.settimeout(5)
        assert send(fields, str(tmp_path / "socket"))
        return channel.recv(1 << 20)


def test_a_plain_field_is_a_line(tmp_path: Path) -> None:
    assert received(tmp_path, {"MESSAGE": "hello"}) == b"SYSLOG_IDENTIFIER=firstlight\nMESSAGE=hello\n"


def test_a_field_with_lines_is_counted_so_that_it_cannot_forge_another(tmp_path: Path) -> None:
    text = "a\nPRIORITY=0"
    assert received(tmp_path, {"MESSAGE": text}).endswith(
        b"MESSAGE\n" + len(text).to_bytes(8, "little") + text.encode() + b"\n")


def test_without_a_journal_it_says_so(tmp_path: Path) -> None:
    assert not send({"MESSAGE": "x"}, str(tmp_path / "nowhere"))


def test_each_trouble_is_a_line_and_the_report_is_one() -> None:
    findings = (Finding("a.b", Verdict.FAIL, "broken", "eth0", seen="1"), Finding("a.c", Verdict.PASS, "fine"))
    report = Report("m", "p", "d", "quick", 1.0, 2.5, (CheckRun("a.b", "T", 0.1, findings),))
    trouble, whole = report_lines(report, "1 failed, 1 passed")
    assert (trouble["FIRSTLIGHT_CHECK"], trouble["FIRSTLIGHT_SUBJECT"], trouble["PRIORITY"]) == ("a.b", "eth0", "3")
    assert "FIRSTLIGHT_EXPECTED" not in trouble
    assert whole["MESSAGE"] == "quick check: 1 failed, 1 passed"
    assert whole["FIRSTLIGHT_DURATION_SECONDS"] == "1.500"


def test_each_drift_is_a_line_with_from_to_cause_and_time_and_the_look_is_one() -> None:
    drift = Drift("baseline", "package", "curl", "1", "", 50.5, 1.0, "apt-get purge curl")
    taken = Fingerprint("m", "lab", "d", "debian", 60.0, {})
    kept = KeptDrift(replace(drift, key="git"), 1.0, 2.0, 60.0, "by apt")
    changed, gone, whole = drift_lines(DriftReport(taken, (drift,), {"image": "no engine"}, (kept,)))
    assert changed["MESSAGE"] == "drift from the baseline: package curl: 1 → absent"
    assert {changed[f"FIRSTLIGHT_DRIFT_{name}"] for name in ("AREA", "KEY", "BEFORE", "CAUSE", "CHANGED")} == {
        "package", "curl", "1", "apt-get purge curl", "50.500"}
    assert "FIRSTLIGHT_DRIFT_AFTER" not in changed
    assert gone["MESSAGE"] == "gone: package git, put back by apt"
    assert (whole["MESSAGE"], whole["PRIORITY"]) == ("drift: 1 drift, 1 not compared", "4")
    (quiet,) = drift_lines(DriftReport(taken, (), {}))
    assert (quiet["MESSAGE"], quiet["PRIORITY"]) == ("drift: no drifts", "6")
