"""dpkg's state, the profile's packages, and unattended upgrades."""

from __future__ import annotations

import pytest

from agent.machine.apt import STATUS_FILE, UPDATES_FOLDER, settings_argv
from agent.model.errors import Unobservable
from checks.system import apt_locks, dpkg_audit, packages, unattended_upgrades
from tests.checks.findings import DENIED, only
from tests.fixtures import FakeMachine


def stanza(name: str, status: str = "install ok installed") -> str:
    return f"Package: {name}\nStatus: {status}\nArchitecture: amd64\nVersion: 1.0\nDescription: x\n Status: no\n\n"


def dpkg(*stanzas: str, **more: object) -> FakeMachine:
    return FakeMachine({STATUS_FILE: "".join(stanzas), **more.pop("files", {})}, **more)


@pytest.mark.parametrize("status", ["install ok installed", "hold ok installed", "deinstall ok config-files"])
def test_sound_packages_pass(status):
    assert only(dpkg_audit.CHECK, dpkg(stanza("a"), stanza("b", status))).verdict == "pass"


@pytest.mark.parametrize("status", [
    "install ok half-configured", "install ok unpacked", "install reinstreq half-installed",
    "install ok triggers-awaited", "install ok triggers-pending", "install reinstreq installed",
])
def test_a_half_done_package_fails_and_is_named(status):
    finding = only(dpkg_audit.CHECK, dpkg(stanza("a"), stanza("nvidia-dkms", status)))
    assert (finding.verdict, finding.remedy.role) == ("fail", "base")
    assert "nvidia-dkms" in finding.summary


def test_an_interrupted_dpkg_fails():
    machine = dpkg(stanza("a"), files={f"{UPDATES_FOLDER}/0001": ""})
    assert only(dpkg_audit.CHECK, machine).verdict == "fail"
    assert only(dpkg_audit.CHECK, dpkg(stanza("a"), files={f"{UPDATES_FOLDER}/tmp.i": ""})).verdict == "pass"


@pytest.mark.parametrize("check", [dpkg_audit, packages, unattended_upgrades])
def test_unreadable_dpkg_is_unknown_and_no_dpkg_not_applicable(check):
    wanted = {"system": {"base": {"packages": ["a"], "upgrade_blacklist": ["^nvidia-"]}}}
    broken = dpkg(stanza("a"), errors={STATUS_FILE: DENIED})
    assert only(check.CHECK, broken, **wanted).verdict == "unknown"
    assert only(check.CHECK, FakeMachine(), **wanted).verdict == "not-applicable"


@pytest.mark.parametrize(("have", "verdict"), [
    ([stanza("curl"), stanza("fio")], "pass"), ([stanza("curl")], "fail"),
    ([stanza("curl"), stanza("fio", "deinstall ok config-files")], "fail"),
])
def test_every_package_of_the_profile_must_be_installed(have, verdict):
    finding = only(packages.CHECK, dpkg(*have), system={"base": {"packages": ["curl", "fio"]}})
    assert finding.verdict == verdict
    assert verdict == "pass" or finding.summary == "Not installed: fio."


def test_a_profile_without_packages_or_blacklist_is_not_applicable():
    assert only(packages.CHECK, dpkg(stanza("a"))).verdict == "not-applicable"
    assert only(unattended_upgrades.CHECK, dpkg(stanza("unattended-upgrades"))).verdict == "not-applicable"


BLACK = "Unattended-Upgrade::Package-Blacklist:: {}\n"


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (BLACK.format("^nvidia-") + BLACK.format("libc6") + BLACK.format("^cuda-"), "pass"),
        (BLACK.format("^nvidia-"), "fail"),
        ("", "fail"),
        (Unobservable("no answer"), "unknown"),
    ],
)
def test_every_pattern_must_be_in_force(answer, verdict):
    machine = dpkg(stanza("unattended-upgrades"), commands={settings_argv(): answer})
    finding = only(unattended_upgrades.CHECK, machine,
                   system={"base": {"upgrade_blacklist": ["^nvidia-", "^cuda-"]}})
    assert finding.verdict == verdict
    assert verdict != "fail" or finding.remedy.role == "base"


def test_without_unattended_upgrades_there_is_nothing_to_keep_off():
    machine = dpkg(stanza("unattended-upgrades", "deinstall ok config-files"))
    assert only(unattended_upgrades.CHECK, machine,
                system={"base": {"upgrade_blacklist": ["^nvidia-"]}}).verdict == "not-applicable"


@pytest.mark.parametrize(("answer", "verdict"), [
    ("DPkg::Lock::Timeout 600\n", "pass"), ("DPkg::Lock::Timeout 60\n", "fail"), (BLACK.format("x"), "fail"),
    ("DPkg::Lock::Timeout 60\nDPkg::Lock::Timeout 600\n", "pass"), (Unobservable("no answer"), "unknown"),
])
def test_apt_must_wait_for_its_locks_as_long_as_the_profile_says(answer, verdict):
    finding = only(apt_locks.CHECK, FakeMachine(commands={settings_argv(): answer}))
    assert finding.verdict == verdict
    assert verdict != "fail" or finding.remedy.role == "base"


def test_without_apt_or_the_role_its_locks_are_not_applicable():
    assert only(apt_locks.CHECK, FakeMachine()).verdict == "not-applicable"
    off = {"system": {"base": {"enabled": False}}}
    assert only(apt_locks.CHECK, FakeMachine(commands={settings_argv(): ""}), **off).verdict == "not-applicable"
