"""What holds for every check of this area."""

from __future__ import annotations

from importlib import import_module

import pytest

from agent.machine.docker import DAEMON_JSON, INFO_ARGV
from agent.machine.systemd import units_argv
from agent.model.errors import Unobservable
from tests.checks.container.machines import machine, profile, stopped, units, verdicts
from tests.fixtures import FakeMachine

NAMES = ("cdi_spec", "cgroup_driver", "daemon_json", "docker_engine", "docker_group", "docker_service",
         "log_rotation", "nvidia_runtime", "restart_loop", "storage_driver", "toolkit_pin", "toolkit_version")
CHECKS = {name: import_module(f"checks.container.{name}").CHECK for name in NAMES}


def summary(host: FakeMachine, resolved=None) -> dict[str, set[str]]:
    seen = {}
    for name, check in CHECKS.items():
        try:
            seen[name] = set(verdicts(check, host, resolved))
        except Unobservable:
            seen[name] = {"unknown"}
    return seen


def failing(host: FakeMachine, resolved=None) -> list[str]:
    return [name for name, found in summary(host, resolved).items() if found & {"fail", "warn"}]


def test_a_machine_as_it_should_be_has_no_finding() -> None:
    seen = summary(machine())
    assert seen.pop("cdi_spec") == {"not-applicable"}
    assert set().union(*seen.values()) == {"pass"}


def test_nothing_applies_when_the_profile_wants_no_docker() -> None:
    resolved = profile(docker={"enabled": False}, toolkit={"enabled": False})
    assert set().union(*summary(FakeMachine(), resolved).values()) == {"not-applicable"}


def test_a_stopped_engine_is_found_by_docker_service_alone() -> None:
    assert failing(stopped()) == ["docker_service"]


def test_a_stopped_engine_is_never_asked_because_its_socket_would_start_it() -> None:
    host = stopped()
    summary(host)
    assert not [asked for asked in host.asked if asked[:2] == ("run", "docker")]


def test_invalid_daemon_json_is_found_by_daemon_json_alone() -> None:
    assert failing(machine(files={DAEMON_JSON: '{"log-driver": "json-file",}'})) == ["daemon_json"]


def test_a_lost_key_is_found_by_daemon_json_alone() -> None:
    text = '{"features": {"cdi": true}, "runtimes": {"nvidia": {"path": "nvidia-container-runtime"}}}'
    assert failing(machine(files={DAEMON_JSON: text})) == ["daemon_json"]


def test_a_lost_runtime_is_found_by_nvidia_runtime_alone() -> None:
    text = ('{"log-driver": "json-file", "log-opts": {"max-size": "50m", "max-file": "3"}, "live-restore": true, '
            '"features": {"cdi": true}}')
    host = machine({"Runtimes": {"runc": {"path": "runc"}}}, {DAEMON_JSON: text})
    assert failing(host) == ["nvidia_runtime"]


def test_removed_packages_are_found_by_toolkit_version_alone() -> None:
    host = machine(files={"/var/lib/dpkg/status": ""}, without=("/usr/bin/nvidia-container-runtime",))
    assert failing(host) == ["toolkit_version"]


def test_a_machine_without_docker_fails_docker_engine_alone_and_passes_nothing_else_of_docker() -> None:
    host = machine(without=("/usr/sbin/dockerd", "/run/docker.pid", "/run/docker.sock", DAEMON_JSON),
                   files={"/etc/group": "root:x:0:\n"}, commands={units_argv(): units("inactive", "", "not-found")})
    seen = summary(host, profile(docker={"daemon": {}}, toolkit={"enabled": False}))
    assert [name for name, found in seen.items() if "fail" in found] == ["docker_engine"]
    assert not [name for name, found in seen.items() if "pass" in found]


@pytest.mark.parametrize("name", ["cgroup_driver", "daemon_json", "docker_service", "log_rotation",
                                  "nvidia_runtime", "restart_loop", "storage_driver"])
def test_an_engine_that_does_not_let_us_ask_is_unknown_never_pass(name: str) -> None:
    host = machine(commands={INFO_ARGV: Unobservable("permission denied")})
    assert summary(host)[name] == {"unknown"}


def test_the_engine_is_asked_with_one_command() -> None:
    host = machine()
    summary(host)
    assert {asked for asked in host.asked if asked[:2] == ("run", "docker")} == {("run", *INFO_ARGV)}
