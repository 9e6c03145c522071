"""Containers and their GPU: what systemd takes away, and the mode of the NVIDIA runtime."""

from __future__ import annotations

import json

import pytest

from agent.machine.docker import INFO_ARGV, PS_ARGV
from agent.machine.docker_images import CONTAINER_FORMAT, parse_gpu_container
from checks.container import gpu_access, runtime_mode
from checks.container.gpu_access import RELOAD_ARGV
from tests.checks.container.machines import INFO, machine, profile, stopped, verdicts
from tests.checks.container.test_toolkit_checks import LOADED, SPEC

ID = "f" * 64
STARTED = "2026-11-21T10:00:00.123456789Z"
STARTED_S = 1795255200
GPU = json.dumps([{"Driver": "", "Count": -1, "Capabilities": [["gpu"]]}])
CDI = json.dumps([{"Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=all"], "Capabilities": None}])
DRIVER = "/proc/driver/nvidia/version"
GROUPS = "5:devices:/docker/x\n1:name=systemd:/docker/x\n"
RULES = "/sys/fs/cgroup/devices/docker/x/devices.list"


def line(runtime: str = "runc", requests: str = "null", devices: str = "null", env: str = "[]") -> str:
    return "\t".join((ID, "/train", "99", STARTED, runtime, requests, devices, env))


def host(inspected: str = "", rules: str | None = None, driver: str = "cgroupfs", allow: str = "", reloaded: int = 0):
    files = {"/proc/99/cgroup": GROUPS if rules is not None else "0::/system.slice/x\n"}
    files |= {RULES: rules} if rules is not None else {}
    running = json.dumps({"ID": ID, "Names": "train", "State": "running", "Image": "x"})
    inspect = ("docker", "container", "inspect", "--format", CONTAINER_FORMAT, ID)
    return machine(files=files, commands={
        PS_ARGV: running, inspect: inspected or line(requests=GPU),
        INFO_ARGV: json.dumps(INFO | {"CgroupDriver": driver}),
        ("systemctl", "show", f"docker-{ID}.scope", "--property=DeviceAllow"): f"DeviceAllow={allow}\n",
        RELOAD_ARGV: f"UnitsLoadTimestamp=@{reloaded}\n" if reloaded else "UnitsLoadTimestamp=\n",
    })


@pytest.mark.parametrize(("text", "given"), [
    (line(), False), (line(requests=GPU), True), (line(requests=CDI), True),
    (line("nvidia", env='["NVIDIA_VISIBLE_DEVICES=all"]'), True), (line("nvidia"), False),
    (line("nvidia", env='["NVIDIA_VISIBLE_DEVICES=void"]'), False), (line(env='["NVIDIA_VISIBLE_DEVICES=all"]'), False),
    (line(devices='[{"PathOnHost": "/dev/nvidia0"}]'), True), (line(devices='[{"PathOnHost": "/dev/fuse"}]'), False),
])
def test_it_is_seen_who_was_given_a_gpu(text: str, given: bool) -> None:
    found = parse_gpu_container(text)
    assert (found is not None) is given
    assert found is None or (found.name, int(found.started)) == ("train", STARTED_S)


@pytest.mark.parametrize(("rules", "verdict"), [
    ("c 1:3 rwm\nc 195:* rw\n", "pass"), ("a *:* rwm\n", "pass"), ("c *:* m\nb *:* m\nc 195:0 rw\n", "pass"),
    ("c 1:3 rwm\nc 136:* rwm\n", "fail"), ("b *:* m\nc *:* m\nc 1:3 rwm\n", "fail"),
])
def test_the_rules_of_the_control_group_tell_it_for_sure(rules: str, verdict: str) -> None:
    assert verdicts(gpu_access.CHECK, host(rules=rules)) == [verdict]


@pytest.mark.parametrize(("allow", "reloaded", "verdict"), [
    ("/dev/nvidia0 rw", STARTED_S + 9, "pass"), ("/dev/char/195:0 rw", 0, "pass"), ("char-pts rwm", 0, "warn"),
    ("char-pts rwm", STARTED_S - 9, "warn"), ("char-pts rwm", STARTED_S + 9, "fail"),
])
def test_where_rules_cannot_be_read_systemds_knowledge_and_its_last_reload_count(allow, reloaded, verdict) -> None:
    assert verdicts(gpu_access.CHECK, host(driver="systemd", allow=allow, reloaded=reloaded)) == [verdict]


def test_a_container_that_lost_it_is_named_with_what_to_do() -> None:
    [outcome] = gpu_access.CHECK.judge(gpu_access.CHECK.observe(host(rules="c 1:3 rwm\n"), profile()), profile())
    assert outcome.subject == "train"
    assert "docker restart train" in outcome.remedy.steps[0]


def test_no_gpu_container_and_no_docker_are_not_applicable_and_silence_is_unknown() -> None:
    assert verdicts(gpu_access.CHECK, host(inspected=line())) == ["not-applicable"]
    assert verdicts(gpu_access.CHECK, machine(), profile(docker={"enabled": False})) == ["not-applicable"]
    assert verdicts(gpu_access.CHECK, stopped()) == ["unknown"]


def config(mode: str) -> dict[str, str]:
    return {runtime_mode.CONFIG: f'[nvidia-container-runtime]\nmode = "{mode}"\n'}


@pytest.mark.parametrize(("files", "verdict"), [
    ({}, "pass"), (config("auto"), "pass"), (config("legacy"), "fail"), (config("jit-cdi"), "pass"),
    (config("cdi"), "fail"), (config("cdi") | {"/run/cdi/nvidia.yaml": SPEC}, "pass"),
    ({runtime_mode.CONFIG: "[broken\n"}, "fail"), ({runtime_mode.CONFIG: "[nvidia-container-cli]\n"}, "pass"),
])
def test_the_mode_must_fit_what_is_wanted_and_there(files: dict[str, str], verdict: str) -> None:
    assert verdicts(runtime_mode.CHECK, machine(files={DRIVER: LOADED} | files)) == [verdict]


def test_legacy_is_a_choice_where_cdi_is_not_wanted() -> None:
    assert verdicts(runtime_mode.CHECK, machine(files=config("legacy")), profile(toolkit={"cdi": False})) == ["pass"]


def test_without_toolkit_the_mode_is_not_applicable_and_unreadable_is_raised() -> None:
    from agent.model.errors import Unobservable

    without = machine(without=("/usr/bin/nvidia-container-runtime",))
    assert verdicts(runtime_mode.CHECK, without) == ["not-applicable"]
    blind = machine()
    blind.errors[runtime_mode.CONFIG] = Unobservable("permission denied")
    with pytest.raises(Unobservable):
        runtime_mode.CHECK.observe(blind, profile())
