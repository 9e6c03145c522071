from __future__ import annotations

import socket
from pathlib import Path

from agent.model.finding import CheckRun, Finding, Report
from agent.model.verdict import Verdict
from agent.systemd.journal import report_lines, send


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
