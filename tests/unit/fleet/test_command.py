from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from agent.cli import fleet_actions
from agent.cli.main import main
from agent.fleet import runner
from agent.fleet.answers import Answer, Reach
from agent.fleet.runner import load_hosts
from agent.model.errors import UsageError
from tests.unit.fleet.samples import report, write
from tests.unit.golden import assert_golden

GOLDEN = Path(__file__).parent / "golden"
Capsys = pytest.CaptureFixture[str]
FACTS = {"package": {"curl": "1"}, "group": {}}
OWN = {
    "against": "baseline",
    "area": "group",
    "key": "docker",
    "before": "",
    "after": "eve",
    "changed": 1.78e9,
    "earliest": 0.0,
    "cause": "usermod: add 'eve' to group 'docker'",
    "role": "",
    "summary": "",
}
REPORTS = {name: report(name, FACTS) for name in ("n1", "n2", "n3")} | {
    "odd": report("odd", {**FACTS, "group": {"docker": "eve"}}, drifts=[OWN])
}


def answered(host: str, data: Any, code: int = 0) -> Answer:
    return Answer(host, Reach.ANSWERED, code, {"ok": True, "data": data, "errors": [], "meta": {}})


def test_collected_reports_are_compared(tmp_path: Path, capsys: Capsys) -> None:
    write(tmp_path, REPORTS)
    (tmp_path / "broken.json").write_text("{")
    assert main(["fleet", "drift", "--from", str(tmp_path)]) == 1
    assert_golden(capsys.readouterr().out.replace(str(tmp_path), "DIR"), GOLDEN / "collected.txt")


def test_collected_reports_that_are_alike_are_well(tmp_path: Path, capsys: Capsys) -> None:
    write(tmp_path, {name: told for name, told in REPORTS.items() if name != "odd"})
    assert main(["fleet", "drift", "--from", str(tmp_path), "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["data"]["cohorts"][0]["alike"] == 3


def test_asked_machines_are_compared_and_the_silent_ones_named(
    tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {name: answered(name, told) for name, told in REPORTS.items()}
    answers["away"] = Answer("away", Reach.UNREACHABLE, problem="No route to host")
    answers["older"] = answered("older", {"head": {}})
    monkeypatch.setattr(fleet_actions, "ask", lambda *words, **more: answers)
    assert main(["fleet", "drift", "-i", "n1,n2,n3,odd,away,older,", "--to", str(tmp_path / "kept")]) == 1
    assert_golden(capsys.readouterr().out, GOLDEN / "asked.txt")
    assert {file.stem for file in (tmp_path / "kept").iterdir()} == {*REPORTS, "older"}


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["status", "-i", "/nowhere"],
        ["status", "-i", "a,", "--forks", "51"],
        ["status", "-i", "a,", "--limit", "b"],
        ["apply", "-i", "a,"],
        ["apply", "-i", "a,", "--yes", "--rings", "0"],
        ["drift", "--from", "/nowhere"],
        ["status", "-i", "a,", "--deadline", "0"],
    ],
)
def test_what_cannot_be_is_refused_before_anybody_is_asked(
    words: list[str], capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet_actions, "ask", lambda *words, **more: pytest.fail("somebody was asked"))
    assert main(["fleet", *words]) == 3
    assert capsys.readouterr().err.startswith("firstlight: ")


def test_hosts_come_in_the_order_of_the_inventory_and_once(tmp_path: Path) -> None:
    file = tmp_path / "hosts.ini"
    file.write_text("[a]\nx2\nx1\n[b]\ny1\nx1\n[both:children]\na\nb\n")
    assert load_hosts(str(file)) == ("x2", "x1", "y1")
    assert load_hosts(str(file), ["b"]) == ("x1", "y1")
    assert load_hosts(str(file), ["x*"]) == ("x2", "x1")


def test_an_inventory_without_machines_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "hosts.ini").write_text("[a]\n")
    with pytest.raises(UsageError, match="holds no machines"):
        load_hosts(str(tmp_path / "hosts.ini"))


def test_ansible_itself_asks_and_a_dead_address_is_unreachable() -> None:
    """The real ansible-runner over SSH to a port where nobody listens."""
    if shutil.which("ssh") is None:
        pytest.skip("needs an SSH client (package openssh-client)")
    fleet = runner.Fleet("n1,", ("n1",), deadline_s=20)
    found = runner.ask(
        runner.Fleet("127.0.0.1:1,", load_hosts("127.0.0.1:1,"), deadline_s=fleet.deadline_s), ["--version"]
    )
    (told,) = found.values()
    assert told.reach is Reach.UNREACHABLE, told
