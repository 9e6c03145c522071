"""The whole of `firstlight drift` on in-memory machines."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from agent.app import App
from agent.cli.drift import moment_of
from agent.cli.main import main
from agent.machine.recorded import RecordingMachine
from agent.machine.recording_file import save_recording
from agent.model.drift import DriftReport
from agent.model.errors import UsageError
from agent.report.drift import render_drift
from agent.state.measured import Measured
from agent.state.reading import Watcher
from agent.systemd.publish import publish
from tests.fixtures import NOW, FakeMachine
from tests.unit.cli.conftest import FILES
from tests.unit.drift.samples import STATUS
from tests.unit.golden import assert_golden

GOLDEN = Path(__file__).parent / "golden"
BOX: dict[str, Any] = {
    **FILES,
    "/var/lib/dpkg/status": STATUS,
    "/etc/passwd": "root:x:0:0:r:/root:/bin/bash\n",
    "/etc/group": "docker:x:9:\n",
    "/proc/cmdline": "ro\n",
    "/proc/sys/vm/swappiness": "10\n",
}
COMMANDS = {("uname", "-m"): "x86_64\n", ("systemd-detect-virt",): "none\n"}


def app_of(files: dict[str, Any], clock: float = NOW, **more: Any) -> App:
    """Return an App whose machine is in memory."""
    app = App(profile="cpu-only")
    app.__dict__["machine"] = FakeMachine(
        files, COMMANDS, folders=("/sys/bus/pci/devices",), clock=clock, **more
    )
    return app


def changed(**more: Any) -> dict[str, Any]:
    return {
        **BOX,
        "/etc/group": "docker:x:9:eve\n",
        "/var/lib/dpkg/status": STATUS.replace("7.88.1-10", "7.88.1-11"),
        "/var/log/dpkg.log": "2026-05-28 20:30:00 upgrade curl:amd64 7.88.1-10 7.88.1-11\n",
        **more,
    }


def names(app: App, **more: Any) -> set[tuple[str, str, str]]:
    found = app.drift.look(against=("baseline",), **more).drifts
    return {(drift.key, drift.before, drift.after) for drift in found}


def test_what_changed_since_the_baseline_is_told_once_it_is_accepted() -> None:
    assert app_of(BOX).drift.look(against=("baseline",)).baseline is None
    app_of(BOX).drift.accept("handed over", "alice")
    assert names(app_of(BOX, NOW + 900_000)) == set()
    assert names(app_of(changed(), NOW + 9000)) == {("curl", "7.88.1-10", "7.88.1-11"), ("docker", "", "eve")}


def test_the_text_of_a_look() -> None:
    app_of(BOX).drift.accept("handed over", "alice")
    report = app_of(changed(), NOW + 9000).drift.look(against=("baseline",))
    assert_golden(render_drift(report), GOLDEN / "drift.txt")


def test_when_and_why_are_remembered_after_the_logs_are_gone() -> None:
    app_of(BOX).drift.accept("handed over", "alice")
    app_of(changed(), NOW + 9000).drift.look(against=("baseline",))
    later = app_of(changed(**{"/var/log/dpkg.log": ""}), NOW + 99_000).drift.look(against=("baseline",))
    assert [drift.cause for drift in later.drifts if drift.key == "curl"] == ["dpkg (upgrade)"]


def test_what_is_put_back_is_told_once_and_kept() -> None:
    app_of(BOX).drift.accept("handed over", "alice")
    app_of(changed(), NOW + 9000).drift.look(against=("baseline",))
    assert {kept.drift.key for kept in app_of(BOX, NOW + 18_000).drift.look(against=("baseline",)).ended} == {
        "curl",
        "docker",
    }
    assert app_of(BOX, NOW + 27_000).drift.look(against=("baseline",)).ended == ()
    assert len(app_of(BOX).drift.store.since("box-7", NOW + 15_000)) == 2


def test_a_look_limited_or_not_saved_leaves_the_history_alone() -> None:
    app_of(BOX).drift.accept("handed over", "alice")
    assert names(app_of(changed()), only=("group",)) == {("docker", "", "eve")}
    names(app_of(changed()), save=False)
    assert app_of(BOX).drift.store.open_drifts("box-7") == {}


def test_accepting_some_areas_leaves_the_others_as_they_were() -> None:
    app_of(BOX).drift.accept("handed over", "alice")
    app_of(changed()).drift.accept("curl may move", "alice", ["package"])
    assert names(app_of(changed(), NOW + 1)) == {("docker", "", "eve")}


def test_another_report_is_compared_without_what_is_the_machines_own() -> None:
    other = app_of({**changed(), "/etc/fstab": "UUID=1 / ext4 rw 0 1\n"}).drift.fingerprint
    from dataclasses import replace

    here = app_of({**BOX, "/etc/fstab": "UUID=2 / ext4 rw 0 1\n"})
    found = here.drift.look(other=replace(other, machine="box-8")).drifts
    assert {(drift.against, drift.area, drift.key) for drift in found} == {
        ("box-8", "package", "curl"),
        ("box-8", "group", "docker"),
    }


def test_a_recorded_machine_can_be_looked_at_and_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = RecordingMachine(FakeMachine(BOX, COMMANDS, folders=("/sys/bus/pci/devices",)))
    app = App(profile="cpu-only")
    app.__dict__["machine"] = machine
    (tmp_path / "old.json").write_text(json.dumps({"data": _document(app_of(changed()))}))
    assert app.drift.fingerprint.facts["group"] == {}
    save_recording(machine.recording("box-7"), tmp_path / "box.json")
    code = main(
        [
            "drift",
            "--machine",
            str(tmp_path / "box.json"),
            "--against",
            str(tmp_path / "old.json"),
            "-o",
            "json",
        ]
    )
    data = json.loads(capsys.readouterr().out)["data"]
    assert (code, {drift["key"] for drift in data["drifts"]}) == (1, {"curl", "docker"})
    assert not (tmp_path / "state").exists()


def test_accepting_a_recorded_machine_is_refused(capture: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drift", "--machine", capture, "--accept", "why not"]) == 3
    assert "recorded machine" in capsys.readouterr().err


def test_a_baseline_that_root_would_never_see_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(App, "machine", app_of(BOX).machine)
    monkeypatch.setattr("agent.state.folder.MACHINE", tmp_path / "machines")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "own"))
    words = ["drift", "--profile", "cpu-only", "--accept", "mine"]
    named = os.environ["FIRSTLIGHT_STATE"]
    monkeypatch.delenv("FIRSTLIGHT_STATE")
    assert main(words) == 0, "a machine on which root never used it has no other state"
    (tmp_path / "machines").mkdir()
    capsys.readouterr()
    assert main(words) == 3
    said = capsys.readouterr().err
    assert str(tmp_path / "machines") in said
    assert "sudo" in said
    monkeypatch.setenv("FIRSTLIGHT_STATE", named)
    assert main(words) == 0


@pytest.mark.parametrize(
    "words",
    [
        ["--accept", " "],
        ["--accept", "x", "--only", "nonsense"],
        ["--against", "nowhere.json"],
        ["--since", "whenever"],
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(App, "machine", app_of(BOX).machine)
    assert main(["drift", "--profile", "cpu-only", *words]) == 3
    assert capsys.readouterr().err.startswith("firstlight: ")


@pytest.mark.parametrize(
    ("text", "before_s"), [("30m", 1800), ("2h", 7200), ("3d", 259_200), ("1w", 604_800)]
)
def test_since_counts_back(text: str, before_s: float) -> None:
    assert moment_of(text, NOW) == NOW - before_s


def test_since_reads_a_date_and_nothing_else() -> None:
    assert moment_of("2026-05-01 10:00", NOW) < NOW
    with pytest.raises(UsageError, match="no time"):
        moment_of("yesterday-ish", NOW)


def _document(app: App) -> dict[str, Any]:
    from agent.drift.document import report_to_document

    return report_to_document(app.drift.look(save=False, facts=True), facts=True)


@pytest.fixture
def capture(tmp_path: Path) -> str:
    machine = RecordingMachine(FakeMachine(BOX, COMMANDS, folders=("/sys/bus/pci/devices",)))
    app = App(profile="cpu-only")
    app.__dict__["machine"] = machine
    assert app.drift.name.machine == "box-7"
    save_recording(machine.recording("box-7"), tmp_path / "box.json")
    return str(tmp_path / "box.json")


def test_a_masked_recording_of_the_facts_names_nobody() -> None:
    from agent.machine.masking import mask_secrets
    from agent.machine.recording_file import recording_to_json

    people = {
        "/etc/passwd": BOX["/etc/passwd"] + "alicia:x:1000:1000::/home/alicia:/bin/sh\n",
        "/etc/group": "docker:x:9:alicia\nalicia:x:1000:\n",
        "/etc/sudoers.d/alicia": "alicia ALL=(ALL) ALL\n",
        "/var/spool/cron/crontabs/alicia": "1 * * * * x\n",
    }
    machine = RecordingMachine(FakeMachine({**BOX, **people}, COMMANDS, folders=("/sys/bus/pci/devices",)))
    app = App(profile="cpu-only")
    app.__dict__["machine"] = machine
    assert app.drift.fingerprint.facts["group"] == {"docker": "alicia"}
    assert "alicia" not in str(recording_to_json(mask_secrets(machine.recording("box-7"))))


def test_against_the_profile_a_warning_counts_when_a_role_would_change_something() -> None:
    from agent.drift.look import Look
    from agent.model.finding import CheckRun, Finding, Remedy, Report
    from agent.model.verdict import Verdict

    app = app_of(BOX)
    findings = tuple(
        Finding("a.b", verdict, "Says.", subject, "seen", "wanted", (), remedy)
        for subject, verdict, remedy in (
            ("role", Verdict.WARN, Remedy(role="driver")), ("steps", Verdict.WARN, Remedy(steps=("Do.",))),
            ("broken", Verdict.FAIL, Remedy()), ("blind", Verdict.UNKNOWN, Remedy(role="driver")),
        )
    )
    look = Look(app.machine, app.drift.name, known={}, last_look=0.0, runs=list)
    report = Report("box", "p", "d", "quick", 0.0, 1.0, (CheckRun("a.b", "t", 0.1, findings),))
    drifts, unseen = look.against_profile(report)
    assert [(drift.key, drift.role) for drift in drifts] == [("a.b role", "driver"), ("a.b broken", "")]
    assert set(unseen) == {"a.b"}


@pytest.mark.parametrize(
    ("rule", "left"),
    [
        ("kernel.sysctl vm.*", {"kernel.sysctl net.x", "system.cgroup"}),
        ("kernel.sysctl *", {"system.cgroup"}),
        ("system.cgroup", {"kernel.sysctl vm.x", "kernel.sysctl net.x"}),
        ("sysctl vm.*", {"kernel.sysctl vm.x", "kernel.sysctl net.x", "system.cgroup"}),
        ("kernel *", {"kernel.sysctl vm.x", "kernel.sysctl net.x", "system.cgroup"}),
    ],
)
def test_a_rule_leaves_out_drifts_from_the_profile_as_they_are_printed(rule: str, left: set[str]) -> None:
    from agent.drift.look import Look
    from agent.model.finding import CheckRun, Finding, Report
    from agent.model.verdict import Verdict

    app = app_of(BOX)
    findings = tuple(
        Finding(check, Verdict.FAIL, "Says.", subject, "seen", "wanted", ())
        for check, subject in (("kernel.sysctl", "vm.x"), ("kernel.sysctl", "net.x"), ("system.cgroup", ""))
    )
    report = Report("box", "p", "d", "quick", 0.0, 1.0, (CheckRun("a.b", "t", 0.1, findings),))
    look = Look(app.machine, app.drift.name, known={}, last_look=0.0, runs=list, ignore=[rule])
    drifts, _ = look.against_profile(report)
    assert {drift.key for drift in drifts} == left
    shown = render_drift(DriftReport(look.now, tuple(drifts), {}, against=("profile",)))
    assert {line[2:] for line in shown.splitlines() if line[:2] == "  " < line[1:3]} == left


def test_checks_of_a_role_that_is_off_are_no_drift_against_the_profile() -> None:
    app = app_of({**BOX, "/etc/os-release": "ID=debian\nVERSION_ID=\"12\"\n"})
    ran = {run.check for run in app.drift._check().runs}
    assert "kernel.sysctl" in ran
    assert not any(check.startswith(("driver.", "cuda.")) for check in ran)
    assert "system.monitoring" not in ran


def test_two_reports_are_compared_without_the_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from agent.drift.document import report_to_document
    from agent.report.json import render_envelope

    for name, files, clock in (("old", BOX, NOW), ("new", changed(), NOW + 9000)):
        report = app_of(files, clock).drift.look(save=False, facts=True)
        (tmp_path / name).write_text(render_envelope(report_to_document(report, facts=True), command="drift"))
    words = ["drift", "--of", str(tmp_path / "new"), "--against", str(tmp_path / "old"), "--profile", "cpu-only"]
    assert main([*words, "-o", "json"]) == 1
    drifts = json.loads(capsys.readouterr().out)["data"]["drifts"]
    assert {(each["key"], each["before"], each["after"], each["earliest"]) for each in drifts} == {
        ("curl", "7.88.1-10", "7.88.1-11", NOW), ("docker", "", "eve", NOW)}
    assert main([*words, "--only", "group"]) == 1
    assert "curl" not in capsys.readouterr().out
    assert main(["drift", "--of", str(tmp_path / "new")]) == 3


def test_the_timers_look_is_kept_published_and_told_to_the_journal(
    monkeypatch: pytest.MonkeyPatch, apart: Path
) -> None:
    import agent.app
    from agent.systemd import journal

    app_of(BOX).drift.accept("handed over", "alice")
    publish(apart / "state")
    told: list[dict[str, str]] = []
    monkeypatch.setattr(agent.app, "App", lambda: app_of(changed(), NOW + 9000))
    monkeypatch.setattr(journal, "send", lambda fields: told.append(fields) is None)
    assert main(["systemd", "look", "drift"]) == 1
    lines = {line["FIRSTLIGHT_DRIFT_KEY"]: line for line in told if line.get("FIRSTLIGHT_DRIFT_AGAINST") == "baseline"}
    after = {key: line["FIRSTLIGHT_DRIFT_AFTER"] for key, line in lines.items()}
    assert after == {"curl": "7.88.1-11", "docker": "eve"}
    assert told[-1]["FIRSTLIGHT_DRIFTS"] == str(len(told) - 1)
    looked = Measured(Watcher(apart / "state/public", app_of(BOX).drift.fingerprint.machine)).open_drifts()
    assert looked is not None
    assert sorted(drift.key for drift in looked[1] if drift.against == "baseline") == ["curl", "docker"]
