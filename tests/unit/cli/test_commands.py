from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from agent.app import App
from agent.cli import environment
from agent.cli.main import main
from agent.cli.terminal import Progress
from agent.model.verdict import Verdict
from agent.state.folder import state_folder
from agent.state.history import History
from tests.unit.cli.test_main import GOLDEN
from tests.unit.golden import assert_golden
from tests.unit.report.sample import HEALTHY, REPORT

if TYPE_CHECKING:
    from pathlib import Path

Capsys = pytest.CaptureFixture[str]


def _said(capsys: Capsys, *words: str) -> tuple[int, str]:
    code = main(list(words))
    return code, capsys.readouterr().out


def test_the_card_of_a_machine(capture: str, capsys: Capsys) -> None:
    code, text = _said(capsys, "detect", "--machine", capture)
    assert code == 0
    assert_golden(text.replace(App(profile="cpu-only").choice.loaded.digest, "DIGEST"), GOLDEN / "detect.txt")


def test_the_card_as_json(capture: str, capsys: Capsys) -> None:
    code, text = _said(capsys, "detect", "--machine", capture, "-o", "json")
    data = json.loads(text)["data"]
    assert (code, data["profile"]["name"], data["hardware"]["disks"][1]["serial"]) == (0, "cpu-only", "DATASERIAL2")


def test_a_recorded_machine_is_judged_and_nothing_of_it_is_kept(capture: str, capsys: Capsys) -> None:
    code, text = _said(capsys, "check", "--machine", capture, "-o", "json")
    report = json.loads(text)["data"]
    assert (code, report["machine"], report["exit_code"]) == (code, "box-7", code)
    assert report["counts"]["unknown"] > 0
    assert not state_folder().exists()


def test_a_check_of_another_level_is_not_silently_left_out(capture: str, capsys: Capsys) -> None:
    deep = next(name for name, check in App().checks().items() if check.level.name == "DEEP")
    assert main(["check", "--machine", capture, "--only", deep]) == 3
    assert "--level deep" in capsys.readouterr().err


def test_every_check_can_be_explained(capture: str, capsys: Capsys) -> None:
    code, text = _said(capsys, "explain", "-o", "json", "--machine", capture)
    data = json.loads(text)["data"]
    assert code == 0
    assert all(item["title"] and item["why"] and item["looks"] for item in data.values())


def test_an_explanation(capture: str, capsys: Capsys) -> None:
    code, text = _said(capsys, "explain", "kernel.sysctl", "--machine", capture)
    assert code == 0
    assert_golden(text, GOLDEN / "explain.txt")


def test_profiles_are_listed_shown_and_validated(capture: str, capsys: Capsys) -> None:
    assert _said(capsys, "profile", "validate")[0] == 0
    code, text = _said(capsys, "profile", "show", "--machine", capture, "-o", "json")
    values = {item["key"]: item for item in json.loads(text)["data"]["values"]}
    assert code == 0
    assert values["kernel.sysctl.values.vm.swappiness"]["origin"].endswith("cpu-only.yml:16")
    assert "dgx-spark" in _said(capsys, "profile", "list")[1]


def test_a_started_profile_leaves_out_the_disk_in_use(capture: str, capsys: Capsys, apart: Path) -> None:
    code, text = _said(capsys, "profile", "init", "--machine", capture)
    written = (apart / "etc" / "profile.yml").read_text()
    assert code == 0
    assert "nothing else was changed" in text
    assert "DATASERIAL2" in written
    assert "ROOTSERIAL1" not in written
    assert main(["profile", "init", "--machine", capture]) == 3
    assert "exists already" in capsys.readouterr().err
    assert (apart / "etc" / "profile.yml").read_text() == written


def test_reports_are_listed_shown_compared_and_accepted(capsys: Capsys) -> None:
    history = History(state_folder())
    for report in (REPORT, HEALTHY):
        history.add_report(replace(report, started=time.time()))
    history.close()
    assert [line.split()[0] for line in _said(capsys, "report", "list")[1].splitlines()] == ["2", "1"]
    assert _said(capsys, "report", "show")[1].endswith("1 passed\n")
    assert _said(capsys, "report", "show", "1")[0] == 1
    assert _said(capsys, "report", "diff")[0] == 1
    assert main(["report", "show", "baseline"]) == 3
    assert "no baseline" in capsys.readouterr().err
    assert _said(capsys, "report", "accept", "1") == (0, "report 1 is the baseline now\n")
    assert _said(capsys, "report", "diff", "baseline", "1") == (0, "no difference\n")
    assert "(baseline)" in _said(capsys, "report", "list")[1]


def test_a_report_can_be_read_from_its_file(capsys: Capsys, apart: Path) -> None:
    from agent.report.json import render_report

    (apart / "a.json").write_text(render_report(REPORT))
    (apart / "b.json").write_text(render_report(HEALTHY))
    code, text = _said(capsys, "report", "show", "a.json", "-o", "nagios")
    assert (code, text.startswith("FIRSTLIGHT CRITICAL")) == (2, True)
    code, text = _said(capsys, "report", "show", "a.json", "-o", "junit")
    assert (code, text.startswith("<?xml")) == (1, True)
    code, text = _said(capsys, "report", "diff", "a.json", "b.json")
    assert (code, "✗ FAIL -> absent" in text) == (1, True)
    assert _said(capsys, "report", "diff", "a.json", "a.json")[0] == 0


def test_a_history_that_cannot_be_kept_is_one_warning_and_no_more(monkeypatch: pytest.MonkeyPatch,
                                                                  tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(tmp_path / "file" / "state"))
    warnings: list[str] = []
    assert App().keep(HEALTHY, warnings.append) is None
    assert len(warnings) == 1
    assert "the report is not kept" in warnings[0]


def test_progress_is_silent_without_a_terminal(capsys: Capsys) -> None:
    progress = Progress()
    progress.on_start("kernel.sysctl")
    progress.clear()
    assert capsys.readouterr().err == ""


def test_the_doctor_finds_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "NEEDED", ("pydantic", "no-such-package"))
    monkeypatch.setattr(environment.sys, "executable", "/nowhere/python3")
    monkeypatch.setenv("PATH", "/nowhere")
    found = {fact.name: fact.verdict for fact in environment.facts()}
    assert (found["pydantic"], found["no-such-package"], found["ansible-playbook"]) == (
        Verdict.PASS, Verdict.FAIL, Verdict.FAIL)


def test_the_doctor_says_who_took_our_names(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stranger:
        metadata = {"Name": "other-agent"}  # noqa: RUF012
        files = [__import__("pathlib").PurePosixPath("agent/__init__.py")]  # noqa: RUF012

    monkeypatch.setattr(environment.metadata, "distributions", lambda: [Stranger()])
    fact = next(fact for fact in environment.facts() if fact.name == "package names")
    assert (fact.verdict, fact.seen) == (Verdict.FAIL, "taken by other-agent (agent)")
