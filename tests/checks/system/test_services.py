"""The clock, failed units, SSH host keys and backups."""

from __future__ import annotations

import pytest

from agent.machine.systemd import KEPT, OTHERS, units_argv
from agent.model.errors import Unobservable
from checks.system import backup_timers, failed_units, host_keys, time_sync
from tests.checks.findings import CONTAINER, DENIED, SYSTEMD, only, units_text, verdicts
from tests.fixtures import FakeMachine, mode

ON = {"ActiveState": "active", "UnitFileState": "enabled"}
OFF = {"ActiveState": "inactive", "UnitFileState": "disabled"}


def clock(uptime_s: float = 5000, files: dict[str, str] | None = None, **units: dict[str, str]) -> FakeMachine:
    return FakeMachine({"/proc/uptime": f"{uptime_s} 1.0\n", **(files or {})},
                       {units_argv(OTHERS): units_text(*OTHERS, **units)}, folders=SYSTEMD)


STAMP = {time_sync.STAMP: ""}


@pytest.mark.parametrize(("machine", "verdict"), [
    (clock(systemd_timesyncd_service=ON, files=STAMP), "pass"),
    (clock(systemd_timesyncd_service=ON, uptime_s=60), "pass"),
    (clock(systemd_timesyncd_service=ON), "warn"),
    (clock(chrony_service=ON, systemd_timesyncd_service=OFF), "pass"),
    (clock(systemd_timesyncd_service=OFF, files=STAMP), "fail"),
    (clock(systemd_timesyncd_service=ON | {"UnitFileState": "disabled"}, files=STAMP), "fail"),
    (clock(systemd_timesyncd_service=OFF | {"LoadState": "masked", "UnitFileState": "masked"}), "fail"),
    (clock(), "fail"),
])
def test_a_time_service_must_run_be_enabled_and_have_an_answer(machine, verdict):
    finding = only(time_sync.CHECK, machine)
    assert finding.verdict == verdict
    assert verdict == "pass" or finding.remedy.steps


@pytest.mark.parametrize(("units", "verdict"), [
    ({"systemd_timesyncd_service": {"ActiveState": "inactive", "UnitFileState": "enabled"}}, "pass"),
    ({"systemd_timesyncd_service": OFF}, "fail"), ({}, "not-applicable"),
])
def test_in_a_container_only_switched_on_or_off_can_be_judged(units, verdict):
    assert only(time_sync.CHECK, clock(files=CONTAINER, **units)).verdict == verdict


def test_without_systemd_the_clock_is_unknown_never_pass():
    assert only(time_sync.CHECK, FakeMachine()).verdict == "unknown"


def failing(*names: str) -> FakeMachine:
    text = "".join(f"{name} loaded failed failed Something\n" for name in names)
    return FakeMachine(commands={failed_units.ARGV: text}, folders=SYSTEMD)


def test_each_failed_unit_is_a_warning():
    assert verdicts(failed_units.CHECK, failing()) == [("pass", "")]
    assert verdicts(failed_units.CHECK, failing("a.service", "b.mount")) == [("warn", "a.service"), ("warn", "b.mount")]


def test_units_with_a_check_of_their_own_are_left_to_it():
    machine = failing("docker.service", "firstlight-backup-models.service", "systemd-timesyncd.service", "x.swap")
    assert verdicts(failed_units.CHECK, machine) == [("pass", "")]


def test_unknown_when_systemd_does_not_run_or_does_not_answer():
    assert only(failed_units.CHECK, FakeMachine()).verdict == "unknown"
    machine = FakeMachine(commands={failed_units.ARGV: Unobservable("timed out")}, folders=SYSTEMD)
    assert only(failed_units.CHECK, machine).verdict == "unknown"


def keys(**modes: int) -> FakeMachine:
    return FakeMachine(
        {
            "/etc/ssh/sshd_config": "",
            "/etc/ssh/ssh_host_rsa_key.pub": "ssh-rsa",
            **{f"/etc/ssh/ssh_host_{kind}_key": mode("file", bits) for kind, bits in modes.items()},
        }
    )


@pytest.mark.parametrize(("machine", "verdict"), [
    (keys(ed25519=0o600, rsa=0o600), "pass"), (keys(), "fail"), (keys(ed25519=0o644), "fail"),
    (FakeMachine(), "not-applicable"),
    (FakeMachine({"/etc/ssh/sshd_config": ""}, errors={"/etc/ssh": DENIED}), "unknown"),
])
def test_host_keys_must_exist_and_be_private(machine, verdict):
    assert only(host_keys.CHECK, machine).verdict == verdict


JOB = {"system": {"backup": {"jobs": [{"name": "models", "source": "/data/models", "destination": "/backup/models"}]}}}
NAMES = ("firstlight-backup-models.timer", "firstlight-backup-models.service")
TWO = ("1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:16 / /data rw - xfs /dev/sdb rw\n"
       "3 1 8:32 / /backup rw - xfs /dev/sdc rw\n")


UNITS_FOLDER = "/etc/systemd/system"
TIMER = "[Timer]\nOnCalendar=*-*-* 02:30:00\nPersistent=true\n"
SERVICE = '[Service]\nExecStart=/usr/bin/rsync -a --partial -- "/data/models/" "/backup/models/"\n'


def backup(timer: dict[str, str] | None, service: dict[str, str] | None, mounts: str = TWO,
           texts: tuple[str, str] = (TIMER, SERVICE)) -> FakeMachine:
    given = {"firstlight_backup_models_timer": timer, "firstlight_backup_models_service": service}
    told = {name: {**unit, "FragmentPath": f"{UNITS_FOLDER}/{path}"}
            for (name, unit), path in zip(given.items(), NAMES, strict=True) if unit is not None}
    files = {f"{UNITS_FOLDER}/{path}": text for path, text in zip(NAMES, texts, strict=True)}
    return FakeMachine({"/proc/self/mountinfo": mounts, **files}, {units_argv(): units_text(*KEPT, *NAMES, **told)},
                       folders=SYSTEMD)


GOOD = {"Result": "success"}


@pytest.mark.parametrize(("machine", "verdict"), [
    (backup(ON, GOOD), "pass"), (backup(None, None), "fail"), (backup(OFF, GOOD), "fail"),
    (backup(ON, {"Result": "exit-code"}), "fail"), (backup(ON, GOOD, TWO.split("\n")[0] + "\n"), "warn"),
])
def test_a_backup_must_be_scheduled_good_and_on_another_filesystem(machine, verdict):
    assert verdicts(backup_timers.CHECK, machine, **JOB) == [(verdict, "models")]


@pytest.mark.parametrize(("texts", "job", "told"), [
    ((TIMER.replace("02:30", "12:30"), SERVICE), {}, "schedule is *-*-* 12:30:00"),
    ((TIMER.replace("OnCalendar", "#"), SERVICE), {}, "schedule is missing"),
    ((TIMER, SERVICE.replace("/backup/m", "/backup/l")), {}, "it runs /usr/bin/rsync"),
    ((TIMER, SERVICE.replace("/usr/bin/rsync", "/bin/true")), {}, "it runs /bin/true"),
    ((TIMER, SERVICE.replace('models/"\n', "models/\n")), {}, "it runs /usr/bin/rsync"),
    ((TIMER, SERVICE.replace("--partial", "--partial --delete")), {}, "it deletes at the destination"),
    ((TIMER, SERVICE), {"delete": True}, "it deletes nothing"),
])
def test_a_backup_whose_units_were_edited_fails(texts, job, told):
    wanted = {"system": {"backup": {"jobs": [{**JOB["system"]["backup"]["jobs"][0], **job}]}}}
    finding = only(backup_timers.CHECK, backup(ON, GOOD, texts=texts), **wanted)
    assert (finding.verdict, finding.remedy.role) == ("fail", "backup")
    assert told in finding.summary


def test_a_backup_with_odd_letters_in_its_path_is_read_as_systemd_reads_it():
    odd = {"system": {"backup": {"jobs": [{"name": "models", "source": "/data/a b", "destination": "/b/50% $x"}]}}}
    text = SERVICE.replace('"/data/models/" "/backup/models/"', '"/data/a b/" "/b/50%% $$x/"')
    machine = backup(ON, GOOD, texts=(TIMER, text))
    assert only(backup_timers.CHECK, machine, **odd).verdict == "pass"


def test_a_backup_whose_unit_systemd_has_not_read_again_fails():
    finding = only(backup_timers.CHECK, backup(ON, GOOD | {"NeedDaemonReload": "yes"}), **JOB)
    assert finding.verdict == "fail"
    assert "after systemd read it" in finding.summary


def test_backups_are_unknown_without_systemd_and_not_applicable_without_jobs():
    assert only(backup_timers.CHECK, FakeMachine({"/proc/self/mountinfo": TWO}), **JOB).verdict == "unknown"
    assert only(backup_timers.CHECK, FakeMachine()).verdict == "not-applicable"
