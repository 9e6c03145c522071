"""The daemon_json module from parameters to answer, on a folder of its own and an engine made of values."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from tests.ansible_modules import load_module

daemon_json = load_module("daemon_json")
from ansible.module_utils import daemon_file, engine  # noqa: E402

VALUES = {"log-driver": "json-file", "log-opts": {"max-size": "50m"}}
RUNTIMES = {"nvidia": {"path": "nvidia-container-runtime", "args": []}}
UP = {"ActiveState": "active", "LoadState": "loaded", "MainPID": "0"}
INFO = {"ServerVersion": "26.1.5", "LoggingDriver": "json-file", "LiveRestoreEnabled": False,
        "Runtimes": {"runc": {}, "nvidia": {}}}


class Answered(Exception):
    def __init__(self, failed, **values) -> None:
        super().__init__(values)
        self.failed, self.values = failed, values


class Module:
    def __init__(self, check_mode, **params) -> None:
        self.check_mode, self.params = check_mode, params

    def exit_json(self, **values):
        raise Answered(False, **values)

    def fail_json(self, **values):
        raise Answered(True, **values)


class Bench:
    """A folder for /etc/docker and /var/lib/firstlight, an engine, and what was asked of systemctl."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.path, self.state = folder / "etc/daemon.json", folder / "state"
        self.path.parent.mkdir()
        self.engine, self.asked, self.busy, self.fails = engine.Engine(), [], [], set()
        patch.setattr(daemon_json, "seen_engine", lambda: self.engine)
        patch.setattr(daemon_json, "running_containers", lambda: self.busy)
        patch.setattr(daemon_file, "run", self.run)
        patch.setattr(daemon_file, "daemon_info", lambda timeout_s=0: self.engine.info)
        patch.setattr(engine.Engine, "started", property(lambda _: self.started))
        self.started = 0.0

    def run(self, *argv, timeout_s=0):
        self.asked.append(argv)
        if argv[0] == "systemctl" and argv[1] in self.fails:
            self.fails.discard(argv[1])
            return 1, "", "Job failed"
        return 0, "", ""

    def runs(self, **info) -> None:
        self.engine = engine.Engine("", False, UP, INFO | info, self.engine.arguments)

    def __call__(self, values=VALUES, runtimes=None, *, check=False, allow=False, settled=False):
        module = Module(check, path=str(self.path), state_folder=str(self.state), values=values,
                        runtimes=runtimes or {}, allow_disruption=allow, settled=settled)
        with pytest.raises(Answered) as caught:
            try:
                file = daemon_file.load(module.params["path"], module.params["state_folder"])
            except daemon_file.UnusableFileError as error:
                module.fail_json(msg=str(error), refused=True)
            daemon_json.merge_into(module, file)
        return caught.value

    @property
    def actions(self):
        return [argv[1] for argv in self.asked if argv[0] == "systemctl" and argv[1] != "reset-failed"]

    def config(self):
        return json.loads(self.path.read_text())


@pytest.fixture
def bench(tmp_path, monkeypatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


def test_a_fresh_machine_is_predicted_then_made_then_left_alone(bench) -> None:
    plan = bench(check=True)
    assert not bench.path.exists()
    apply = bench()
    assert apply.values["changes"] == plan.values["changes"] != []
    assert bench.config() == VALUES
    again = bench()
    assert (again.values["changed"], again.values["changes"]) == (False, [])


@pytest.mark.parametrize("before", ["", "{}", '{"dns": ["192.0.2.1"]}'])
def test_plan_equals_apply_whatever_stood_there(bench, before) -> None:
    bench.path.write_text(before)
    plan = bench(check=True)
    assert bench.path.read_text() == before
    assert bench().values["changes"] == plan.values["changes"]
    assert bench(check=True).values["changes"] == []


def test_the_file_of_before_is_kept_beside_it(bench) -> None:
    bench.path.write_text('{"dns": ["192.0.2.1"]}')
    bench()
    [kept] = bench.path.parent.glob("daemon.json.firstlight-*")
    assert kept.read_text() == '{"dns": ["192.0.2.1"]}'


def test_invalid_json_without_a_good_copy_is_refused_with_its_place_and_left(bench) -> None:
    bench.path.write_text('{\n  "dns": [,]\n}')
    answer = bench()
    assert answer.failed
    assert answer.values["refused"]
    assert f"{bench.path}:2:11" in answer.values["msg"]
    assert bench.path.read_text() == '{\n  "dns": [,]\n}'


def test_invalid_json_is_repaired_from_the_good_copy_and_kept(bench) -> None:
    bench.path.write_text('{"dns": ["192.0.2.1"]}')
    bench()
    bench.path.write_text("{broken")
    plan = bench(check=True)
    assert [change["target"] for change in plan.values["changes"]] == [str(bench.path)]
    assert bench().values["changes"] == plan.values["changes"]
    assert bench.config() == {"dns": ["192.0.2.1"], **VALUES}
    [kept] = bench.path.parent.glob("daemon.json.broken-*")
    assert kept.read_text() == "{broken"


def test_a_repair_made_by_the_task_before_is_not_predicted_twice(bench) -> None:
    bench()
    bench.path.write_text("{broken")
    assert bench(check=True, settled=True).values["changes"] == []


def test_a_directory_a_dangling_link_and_an_open_folder_are_refused(bench, tmp_path) -> None:
    bench.path.mkdir()
    assert "directory" in bench().values["msg"]
    bench.path.rmdir()
    bench.path.symlink_to(tmp_path / "nowhere")
    assert "link" in bench().values["msg"]
    bench.path.unlink()
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    (folder / "d.json").write_text("{}")
    bench.path.symlink_to(folder / "d.json")
    assert "others" in bench().values["msg"]
    assert (folder / "d.json").read_text() == "{}"


def test_reloadable_keys_reload_and_others_restart(bench) -> None:
    bench.runs(LiveRestoreEnabled=True)
    bench(values={"live-restore": True})
    assert bench.actions == ["reload"]
    bench(values={"dns": ["192.0.2.1"]})
    assert bench.actions == ["reload", "restart"]


def test_a_restart_is_refused_while_containers_run_and_names_them(bench) -> None:
    bench.runs()
    bench.busy = ["container train is running"]
    for check in (True, False):
        answer = bench(check=check)
        assert answer.values["refused"]
        assert "container train is running" in answer.values["msg"]
    assert not bench.path.exists()
    assert bench.actions == []


def test_live_restore_in_force_or_leave_to_disturb_lets_it_restart(bench) -> None:
    bench.busy = ["container train is running"]
    bench.runs()
    assert not bench(allow=True).failed
    bench.runs(LiveRestoreEnabled=True)
    assert not bench(values={"live-restore": True, "dns": ["192.0.2.1"]}).failed
    assert bench.actions == ["restart", "restart"]


@pytest.mark.parametrize("values", [{"dns": ["192.0.2.1"]}, {"live-restore": False, "dns": ["192.0.2.1"]}])
def test_an_engine_that_would_come_up_without_live_restore_is_not_restarted(bench, values) -> None:
    bench.busy = ["container train is running"]
    bench.runs(LiveRestoreEnabled=True)
    assert bench(values=values).values["refused"]
    assert bench.actions == []


def test_a_reload_disturbs_nobody(bench) -> None:
    bench.runs(Debug=True)
    bench.busy = ["container train is running"]
    assert not bench(values={"debug": True}).failed


def test_a_failed_restart_puts_the_old_file_back_and_starts_it(bench) -> None:
    bench.runs()
    bench.path.write_text('{"dns": ["192.0.2.1"]}')
    bench.fails = {"restart"}
    answer = bench()
    assert answer.failed
    assert "did not restart" in answer.values["msg"]
    assert bench.path.read_text() == '{"dns": ["192.0.2.1"]}'
    assert bench.actions[-1] == "restart"
    assert not list(bench.state.glob("*.pending"))


def test_a_run_killed_before_the_restart_is_caught_up_by_the_next(bench) -> None:
    bench.path.write_text(json.dumps(VALUES))
    bench.state.mkdir()
    (bench.state / "daemon.json.pending").write_text("restart\n")
    bench.runs()
    plan = bench(check=True)
    assert [change["target"] for change in plan.values["changes"]] == ["docker.service"]
    assert bench().values["changes"] == plan.values["changes"]
    assert bench.actions == ["restart"]
    assert bench().values["changes"] == []


def test_a_value_in_the_file_but_not_in_force_is_brought_into_force(bench) -> None:
    bench.path.write_text(json.dumps(VALUES))
    bench.runs(LoggingDriver="journald")
    plan = bench(check=True)
    assert plan.values["action"] == "restart"
    assert "journald" in plan.values["changes"][0]["before"]


def test_a_key_taken_out_of_the_file_alone_needs_no_restart(bench) -> None:
    bench.runs()
    bench()
    bench.started = time.time() - 60
    os.utime(bench.state / "daemon.json.good")
    bench.path.write_text('{"log-driver": "json-file"}')
    bench.busy = ["container train is running"]
    answer = bench()
    assert not answer.failed
    assert bench.config() == VALUES


def test_a_flag_for_the_same_key_is_refused_with_both_places(bench) -> None:
    bench.engine = engine.Engine(arguments=("--log-driver=journald", "-H", "fd://"))
    answer = bench()
    assert answer.values["refused"]
    assert "log-driver" in answer.values["msg"]
    assert "--log-driver=journald" in answer.values["msg"]
    assert str(bench.path) in answer.values["msg"]


def test_hosts_beside_a_flag_is_refused_and_runtimes_are_not() -> None:
    flags = engine.flag_keys(("-H", "fd://", "--add-runtime=nvidia=/x", "--containerd=/run/c.sock"))
    assert set(flags) == {"hosts", "containerd"}


def test_the_snap_is_refused_by_name(bench) -> None:
    bench.engine = engine.Engine(snap=True)
    assert "snap remove docker" in bench().values["msg"]


def test_a_custom_runtime_that_works_is_kept_and_one_that_does_not_is_replaced(bench, tmp_path) -> None:
    program = tmp_path / "my-runtime"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    mine = {"path": str(program), "runtimeArgs": ["--debug"]}
    bench.path.write_text(json.dumps({"runtimes": {"nvidia": mine}}))
    bench(values={}, runtimes=RUNTIMES)
    assert bench.config()["runtimes"]["nvidia"] == mine
    program.chmod(0o644)
    bench(values={}, runtimes=RUNTIMES)
    assert bench.config()["runtimes"]["nvidia"]["path"] == "nvidia-container-runtime"


def test_cdi_needs_no_restart_on_an_engine_that_does_not_know_it(bench) -> None:
    bench.runs(ServerVersion="20.10.24")
    bench(values={"features": {"cdi": True}}, runtimes=RUNTIMES)
    assert bench.actions == ["reload"]


def test_cdi_restarts_an_engine_that_does(bench) -> None:
    bench.runs(CDISpecDirs=["/etc/cdi"])
    bench(values={"features": {"cdi": True}}, runtimes=RUNTIMES)
    assert bench.actions == ["restart"]


def test_an_engine_that_dislikes_the_file_before_it_is_replaced_changes_nothing(bench, monkeypatch) -> None:
    bench.engine = engine.Engine(dockerd="/usr/bin/dockerd")
    monkeypatch.setattr(daemon_file, "validation_error", lambda *_: "dockerd refuses it")
    assert bench().values["refused"]
    assert not bench.path.exists()
