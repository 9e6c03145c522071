"""Parsers of Docker's answers and files."""

from __future__ import annotations

import json

import pytest

from agent.machine.docker import (
    INFO_ARGV,
    PID_FILE,
    engine_runs,
    find_program,
    missing_values,
    not_in_force,
    observe_container_files,
    observe_info,
    parse_daemon_json,
    parse_info,
)
from agent.machine.toolkit import observe_toolkit_packages, parse_cdi_spec, upstream
from agent.model.errors import Unobservable
from tests.fixtures import FakeMachine, mode

# Debian 12's 20.10.24, shortened to the keys that are read.
OLD = json.dumps({
    "Containers": 2, "ContainersRunning": 1, "Driver": "overlay2", "LoggingDriver": "json-file", "Debug": False,
    "CgroupDriver": "cgroupfs", "CgroupVersion": "1", "DockerRootDir": "/srv/docker", "LiveRestoreEnabled": False,
    "ServerVersion": "20.10.24+dfsg1", "DefaultRuntime": "runc", "CDISpecDirs": None,
    "Runtimes": {"io.containerd.runc.v2": {"path": "runc"}, "runc": {"path": "runc"}},
    "RegistryConfig": {"Mirrors": ["https://mirror.example/"]}})


def test_an_old_engine_is_read() -> None:
    info = parse_info(OLD)
    assert (info.version, info.major, info.cdi_folders) == ("20.10.24+dfsg1", 20, ())
    assert info.runtimes["runc"] == "runc"
    assert (info.containers, info.running) == (2, 1)


@pytest.mark.parametrize(("out", "err", "reason"), [
    ("", "Cannot connect to the Docker daemon", "Cannot connect"),
    ('{"ServerVersion": "", "ServerErrors": ["permission denied"]}', "", "permission denied"),
    ("null", "", "no answer"), ("[]", "", "no answer"), ("{", "", "no answer")])
def test_an_answer_without_an_engine_in_it_is_unobservable_with_the_reason(out, err, reason) -> None:
    with pytest.raises(Unobservable, match=reason):
        parse_info(out, err)


def test_a_pid_file_of_a_dead_engine_counts_as_not_running() -> None:
    machine = FakeMachine({PID_FILE: "77", "/proc/77/comm": "bash\n"}, {INFO_ARGV: OLD})
    with pytest.raises(Unobservable):
        observe_info(machine)
    assert ("run", *INFO_ARGV) not in machine.asked


def test_a_running_engine_is_found_by_its_pid_file() -> None:
    assert engine_runs(FakeMachine({PID_FILE: "77\n", "/proc/77/comm": "dockerd\n"}))


@pytest.mark.parametrize(("text", "error"), [("{", "1:2"), ('{\n"a": }', "2:6"), ("[]", "1:1"), ("nul", "1:1")])
def test_invalid_json_is_an_answer_with_its_place(text, error) -> None:
    assert parse_daemon_json(text).error.startswith(error)


def test_missing_values_are_named_by_their_path() -> None:
    assert missing_values({"a": 1}, {"b": {"c": [1]}}) == [("b.c", [1], None)]
    assert missing_values({"b": {"c": [2, 1]}}, {"b": {"c": [1]}}) == []
    assert missing_values({"b": "text"}, {"b": {"c": 1}}) == [("b.c", 1, None)]


def test_what_the_engine_shows_is_compared_and_what_it_hides_is_not() -> None:
    info = parse_info(OLD)
    wanted = {"log-driver": "local", "log-opts": {"max-size": "1m"}, "exec-opts": ["native.cgroupdriver=systemd"],
              "registry-mirrors": ["https://mirror.example", "https://other.example"]}
    assert [key for key, _, _ in not_in_force(wanted, info)] == ["log-driver", "exec-opts", "registry-mirrors"]


def test_a_container_removed_while_we_look_is_left_out() -> None:
    folder = "/var/lib/docker/containers"
    machine = FakeMachine({f"{folder}/gone/other": ""})
    assert observe_container_files(machine, "/var/lib/docker") == ()


def test_a_file_that_cannot_be_executed_is_no_program() -> None:
    machine = FakeMachine({"/usr/bin/a": mode("file", 0o644), "/usr/local/bin/a": mode("file", 0o755)})
    assert find_program(machine, "a") == "/usr/local/bin/a"
    assert find_program(machine, "/usr/bin/a") is None


def test_only_installed_packages_of_the_four_are_returned() -> None:
    block = "Package: {}\nStatus: install ok {}\nArchitecture: amd64\nVersion: 1.19.1-1\nDescription: x\n more\n"
    text = "\n".join([block.format("libnvidia-container1", "installed"), block.format("zlib1g", "installed"),
                      block.format("nvidia-container-toolkit", "config-files"),
                      block.format("nvidia-container-toolkit-base", "installed")])
    found = observe_toolkit_packages(FakeMachine({"/var/lib/dpkg/status": text}))
    assert set(found) == {"libnvidia-container1", "nvidia-container-toolkit-base"}


@pytest.mark.parametrize(("older", "newer"), [("1.9.0-1", "1.17.8-1"), ("1.17.8~rc.1-1", "1.18.0"), ("1.17", "1.17.1")])
def test_versions_are_compared_by_number(older, newer) -> None:
    assert upstream(older) < upstream(newer)


def test_a_broken_specification_names_line_and_column() -> None:
    spec = parse_cdi_spec("/run/cdi/nvidia.yaml", "kind: nvidia.com/gpu\ndevices: [\n")
    assert spec is not None
    assert spec.error.startswith("3:1")
