"""Checks of Docker Engine, one thing broken at a time."""

from __future__ import annotations

import json
import re

import pytest

from agent.machine.docker import DAEMON_JSON, INFO_ARGV, PS_ARGV
from agent.machine.systemd import units_argv
from checks.container import (
    cgroup_driver,
    daemon_json,
    docker_engine,
    docker_group,
    docker_service,
    log_rotation,
    restart_loop,
    storage_driver,
)
from tests.checks.container.machines import CONFIG, machine, profile, units, verdicts
from tests.fixtures import FakeMachine, mode


def outcomes(check, host: FakeMachine, resolved=None):
    resolved = resolved or profile()
    return check.judge(check.observe(host, resolved), resolved)


def test_the_snap_is_refused_even_beside_packages() -> None:
    [outcome] = outcomes(docker_engine.CHECK, machine(files={"/snap/bin/docker": mode("file", 0o755)}))
    assert outcome.verdict == "fail"
    assert "snap remove docker" in outcome.remedy.steps


def test_an_engine_older_than_gpus_fails() -> None:
    assert verdicts(docker_engine.CHECK, machine({"ServerVersion": "18.09.1"})) == ["fail"]


@pytest.mark.parametrize(("state", "word"), [
    (("inactive", "enabled", "loaded"), "inactive"), (("failed", "enabled", "loaded"), "failed"),
    (("active", "disabled", "loaded"), "disabled"), (("inactive", "masked", "masked"), "masked")])
def test_a_service_that_is_not_active_and_enabled_fails(state, word) -> None:
    [outcome] = outcomes(docker_service.CHECK, machine(commands={units_argv(): units(*state)}))
    assert outcome.verdict == "fail"
    assert word in outcome.summary


def test_daemon_json_names_line_and_column() -> None:
    [outcome] = outcomes(daemon_json.CHECK, machine(files={DAEMON_JSON: '{\n  "debug": true,\n}\n'}))
    # Python 3.13 and later name the comma, earlier ones the brace after it
    assert re.search(rf"{DAEMON_JSON}:(3:1|2:16)\b", outcome.summary)


@pytest.mark.parametrize("change", [{"log-driver": "local"}, {"log-opts": {"max-size": "50m"}},
                                    {"live-restore": "true"}, {"live-restore": 1}, {"log-opts": None}])
def test_a_value_that_differs_or_is_gone_fails_and_is_named(change) -> None:
    [key] = change
    found = outcomes(daemon_json.CHECK, machine(files={DAEMON_JSON: json.dumps(CONFIG | change)}))
    assert {outcome.verdict for outcome in found} == {"fail"}
    assert all(outcome.subject.startswith(key) for outcome in found)


def test_a_file_changed_without_a_reload_fails() -> None:
    [outcome] = outcomes(daemon_json.CHECK, machine({"LiveRestoreEnabled": False}))
    assert (outcome.verdict, outcome.subject) == ("fail", "live-restore")


def test_lists_must_contain_what_is_wanted_and_may_hold_more() -> None:
    resolved = profile(docker={"daemon": {"dns": ["192.0.2.1"]}})
    assert verdicts(daemon_json.CHECK, machine(), resolved) == ["pass"]
    resolved = profile(docker={"daemon": {"dns": ["192.0.2.9"]}})
    assert verdicts(daemon_json.CHECK, machine(), resolved) == ["fail"]


def test_an_empty_file_lacks_the_values() -> None:
    assert set(verdicts(daemon_json.CHECK, machine(files={DAEMON_JSON: ""}))) == {"fail"}


def container(options: dict[str, str], running: bool = True) -> dict[str, str]:
    folder = "/var/lib/docker/containers/abc"
    return {f"{folder}/config.v2.json": json.dumps({"Name": "/train", "State": {"Running": running},
                                                    "LogPath": f"{folder}/abc-json.log"}),
            f"{folder}/hostconfig.json": json.dumps({"LogConfig": {"Type": "json-file", "Config": options}}),
            f"{folder}/abc-json.log": "x" * 2048}


def test_a_running_container_from_before_the_limits_is_warned_about_with_its_size() -> None:
    [outcome] = outcomes(log_rotation.CHECK, machine({"ContainersRunning": 1}, container({})))
    assert (outcome.verdict, outcome.subject) == ("warn", "train")
    assert "2 KiB" in outcome.summary


@pytest.mark.parametrize("files", [container({"max-size": "50m"}), container({}, running=False)])
def test_containers_with_limits_or_at_rest_pass(files) -> None:
    assert verdicts(log_rotation.CHECK, machine({"ContainersRunning": 1}, files)) == ["pass"]


def test_unlimited_logs_are_warned_about_when_the_profile_says_nothing() -> None:
    host = machine(files={DAEMON_JSON: "{}"})
    assert verdicts(log_rotation.CHECK, host, profile(docker={"daemon": {}})) == ["warn"]


def test_a_wanted_user_outside_the_group_fails_and_strangers_are_only_shown() -> None:
    assert verdicts(docker_group.CHECK, machine(), profile(docker={"users": ["ada"]})) == ["pass"]
    [outcome] = outcomes(docker_group.CHECK, machine(), profile(docker={"users": ["eve"]}))
    assert (outcome.verdict, outcome.subject) == ("fail", "eve")
    [outcome] = outcomes(docker_group.CHECK, machine())
    assert outcome.verdict == "pass"
    assert "ada" in outcome.summary


def test_a_primary_group_counts_as_membership() -> None:
    host = machine(files={"/etc/passwd": "bob:x:1001:102::/home/bob:/bin/sh\n"})
    assert verdicts(docker_group.CHECK, host, profile(docker={"users": ["bob"]})) == ["pass"]


def test_a_socket_for_everybody_fails() -> None:
    assert verdicts(docker_group.CHECK, machine(files={"/run/docker.sock": mode("socket", 0o666)})) == ["fail"]


@pytest.mark.parametrize("driver", ["vfs", "devicemapper"])
def test_slow_and_dead_storage_drivers_are_warned_about(driver) -> None:
    assert verdicts(storage_driver.CHECK, machine({"Driver": driver})) == ["warn"]


def test_cgroupfs_is_wrong_on_v2_only() -> None:
    assert verdicts(cgroup_driver.CHECK, machine({"CgroupDriver": "cgroupfs"})) == ["warn"]
    old = {"CgroupDriver": "cgroupfs", "CgroupVersion": "1"}
    assert verdicts(cgroup_driver.CHECK, machine(old)) == ["pass"]


def test_restarting_and_unhealthy_containers_are_warned_about_by_name() -> None:
    lines = [{"Names": "loop", "State": "restarting", "Status": "Restarting (1) 3 seconds ago"},
             {"Names": "ill", "State": "running", "Status": "Up 2 hours (unhealthy)"},
             {"Names": "well", "State": "running", "Status": "Up 2 hours (healthy)"}]
    host = machine({"Containers": 3}, commands={PS_ARGV: "\n".join(map(json.dumps, lines))})
    assert [outcome.subject for outcome in outcomes(restart_loop.CHECK, host)] == ["loop", "ill"]


def test_an_engine_that_answers_with_errors_is_unknown() -> None:
    answer = json.dumps({"ServerErrors": ["permission denied while trying to connect"]})
    [outcome] = outcomes(docker_service.CHECK, machine(commands={INFO_ARGV: answer}))
    assert outcome.verdict == "unknown"
    assert "permission denied" in outcome.summary
