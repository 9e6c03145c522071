"""Checks of the NVIDIA Container Toolkit, one thing broken at a time."""

from __future__ import annotations

import json

import pytest

from agent.machine.docker import DAEMON_JSON
from agent.machine.toolkit import DRIVER, PACKAGES, PIN
from checks.container import cdi_spec, nvidia_runtime, toolkit_pin, toolkit_version
from tests.checks.container.machines import CONFIG, VERSION, machine, profile, status, verdicts

STATUS = "/var/lib/dpkg/status"
LOADED = ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build  (root@host)\n"
          "GCC version:  gcc version 13.3.0\n")
SPEC = ("cdiVersion: 0.5.0\nkind: nvidia.com/gpu\ndevices:\n- name: \"0\"\n- name: all\ncontainerEdits:\n"
        "  mounts:\n  - hostPath: /usr/lib/x86_64-linux-gnu/libcuda.so.580.95.05\n")


def outcomes(check, host, resolved=None):
    resolved = resolved or profile()
    return check.judge(check.observe(host, resolved), resolved)


def config(**changes) -> dict[str, str]:
    return {DAEMON_JSON: json.dumps(CONFIG | changes)}


def test_a_runtime_in_the_file_but_not_in_force_fails() -> None:
    [outcome] = outcomes(nvidia_runtime.CHECK, machine({"Runtimes": {"runc": {}}}))
    assert outcome.verdict == "fail"
    assert "has not taken it over" in outcome.summary


def test_a_program_that_is_gone_fails_when_the_packages_are_there() -> None:
    assert verdicts(nvidia_runtime.CHECK, machine(without=("/usr/bin/nvidia-container-runtime",))) == ["fail"]


def test_a_custom_path_is_accepted_when_it_can_be_executed() -> None:
    runtimes = {"nvidia": {"path": "/usr/bin/nvidia-ctk", "runtimeArgs": ["x"]}}
    assert verdicts(nvidia_runtime.CHECK, machine(files=config(runtimes=runtimes))) == ["pass"]


def test_cdi_and_default_runtime_are_judged_only_when_wanted() -> None:
    host = machine(files=config(features={}))
    assert verdicts(nvidia_runtime.CHECK, host) == ["fail"]
    assert verdicts(nvidia_runtime.CHECK, host, profile(toolkit={"cdi": False})) == ["pass"]
    assert verdicts(nvidia_runtime.CHECK, machine(), profile(toolkit={"default_runtime": True})) == ["fail"]


def test_cdi_not_in_force_fails_from_engine_25_on_and_means_nothing_before() -> None:
    assert verdicts(nvidia_runtime.CHECK, machine({"CDISpecDirs": None})) == ["fail"]
    assert verdicts(nvidia_runtime.CHECK, machine({"CDISpecDirs": None, "ServerVersion": "20.10.24"})) == ["pass"]


@pytest.mark.parametrize(("files", "verdict"), [
    ({}, "fail"),
    ({"/run/cdi/nvidia.yaml": SPEC}, "pass"),
    ({"/etc/cdi/nvidia.json": json.dumps({"kind": "nvidia.com/gpu", "devices": [{"name": "all"}]})}, "pass"),
    ({"/run/cdi/nvidia.yaml": SPEC.replace("580.95.05", "570.86.10")}, "fail"),
    ({"/run/cdi/nvidia.yaml": SPEC + "  - x: [\n"}, "fail"),
    ({"/run/cdi/nvidia.yaml": ""}, "fail"),
    ({"/run/cdi/nvidia.yaml": SPEC.replace('- name: "0"\n- name: all\n', "")}, "fail"),
])
def test_the_specification_must_fit_the_loaded_driver(files, verdict) -> None:
    assert verdicts(cdi_spec.CHECK, machine(files={DRIVER: LOADED, **files})) == [verdict]


def test_without_a_driver_a_specification_is_not_applicable() -> None:
    assert verdicts(cdi_spec.CHECK, machine(files={"/run/cdi/nvidia.yaml": "broken: ["})) == ["not-applicable"]


def test_another_vendors_specification_is_not_ours() -> None:
    files = {DRIVER: LOADED, "/run/cdi/nvidia.yaml": SPEC, "/etc/cdi/x.yaml": "kind: example.com/net\n"}
    assert verdicts(cdi_spec.CHECK, machine(files=files)) == ["pass"]


@pytest.mark.parametrize(("version", "flaw"), [
    ("1.16.1-1", "CVE-2024-0132"), ("1.17.3-1", "CVE-2025-23359"), ("1.17.7-1", "CVE-2025-23266"),
    ("1.17.7-1", "CVE-2025-23267"), ("1.19.0-1", "CVE-2026-24260")])
def test_a_version_with_a_known_flaw_fails_and_names_it(version, flaw) -> None:
    [outcome] = outcomes(toolkit_version.CHECK, machine(files={STATUS: status(dict.fromkeys(PACKAGES, version))}))
    assert outcome.verdict == "fail"
    assert flaw in outcome.summary


def test_ten_is_newer_than_nine() -> None:
    files = {STATUS: status(dict.fromkeys(PACKAGES, "1.100.0-1"))}
    assert verdicts(toolkit_version.CHECK, machine(files=files)) == ["pass"]


def test_a_profile_that_allows_an_old_version_still_gets_a_warning() -> None:
    files = {STATUS: status(dict.fromkeys(PACKAGES, "1.17.8-1"))}
    resolved = profile(toolkit={"min_version": "1.17.8"})
    assert verdicts(toolkit_version.CHECK, machine(files=files), resolved) == ["warn"]


def test_mixed_missing_and_unwanted_versions_fail() -> None:
    mixed = dict.fromkeys(PACKAGES, VERSION) | {PACKAGES[0]: "1.20.0-1"}
    assert verdicts(toolkit_version.CHECK, machine(files={STATUS: status(mixed)})) == ["fail"]
    fewer = dict.fromkeys(PACKAGES[1:], VERSION)
    assert verdicts(toolkit_version.CHECK, machine(files={STATUS: status(fewer)})) == ["fail"]
    assert verdicts(toolkit_version.CHECK, machine(), profile(toolkit={"version": "1.20.0"})) == ["fail"]
    assert verdicts(toolkit_version.CHECK, machine(), profile(toolkit={"version": "1.19.1"})) == ["pass"]


def test_a_vendors_old_version_is_the_vendors_to_update() -> None:
    host = machine(files={STATUS: status(dict.fromkeys(PACKAGES, "1.17.3-1"))})
    [outcome] = outcomes(toolkit_version.CHECK, host, profile(vendor_managed=True))
    assert outcome.verdict == "fail"
    assert outcome.remedy.role is None


def test_packages_that_are_not_ours_and_not_there_are_not_applicable() -> None:
    resolved = profile(toolkit={"install": False})
    assert verdicts(toolkit_version.CHECK, machine(files={STATUS: ""}), resolved) == ["not-applicable"]


def test_one_released_hold_is_found_and_named() -> None:
    files = {STATUS: status(dict.fromkeys(PACKAGES, VERSION), held=PACKAGES[1:])}
    [outcome] = outcomes(toolkit_pin.CHECK, machine(files=files))
    assert (outcome.verdict, outcome.subject) == ("fail", PACKAGES[0])


def test_a_lost_pin_and_a_pin_of_another_version_fail() -> None:
    assert verdicts(toolkit_pin.CHECK, machine(without=(PIN,))) == ["fail"]
    assert verdicts(toolkit_pin.CHECK, machine(files={PIN: "Pin: version 1.18.0-1\n"})) == ["fail"]


def test_holds_are_not_ours_on_a_vendor_managed_system() -> None:
    host = machine(files={STATUS: status(dict.fromkeys(PACKAGES, VERSION), held=())}, without=(PIN,))
    assert verdicts(toolkit_pin.CHECK, host, profile(vendor_managed=True)) == ["not-applicable"]


def test_packages_that_cannot_be_read_raise_and_never_pass() -> None:
    from agent.model.errors import Unobservable

    host = machine()
    host.errors[STATUS] = Unobservable("permission denied")
    for check in (toolkit_pin.CHECK, toolkit_version.CHECK):
        with pytest.raises(Unobservable):
            check.observe(host, profile())
