from __future__ import annotations

from typing import Any

import pytest

from agent.machine.systemd import OTHERS, units_argv
from checks.gpu.fabric_manager import CHECK
from tests.checks.findings import CONTAINER, DENIED, SYSTEMD, only, units_text
from tests.checks.gpu.cards import NO_CARD, bus
from tests.fixtures import Content, FakeMachine

VERSION = "580.95.05"
STATUS = "/var/lib/dpkg/status"


def package(version: str, name: str = "nvidia-fabricmanager") -> str:
    return (f"Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5\n\nPackage: {name}\n"
            f"Status: install ok installed\nArchitecture: amd64\nVersion: {version}-1\n")


def switch(address: str) -> dict[str, Content]:
    folder = f"/sys/bus/pci/devices/{address}"
    return {f"{folder}/vendor": "0x10de\n", f"{folder}/class": "0x068000\n", f"{folder}/device": "0x22a3\n"}


def board(files: dict[str, Content] | None = None, *, active: str = "active", **more: Any) -> FakeMachine:
    """Return an HGX board with two cards and two switches whose fabric manager is as it must be."""
    whole = {**bus("0000:01:00.0", "0000:02:00.0", device="2330"), **switch("0000:c1:00.0"), **switch("0000:c2:00.0"),
             "/sys/module/nvidia/version": VERSION + "\n", STATUS: package(VERSION), **(files or {})}
    unit = units_text(*OTHERS, nvidia_fabricmanager_service={"ActiveState": active})
    return FakeMachine(whole, {units_argv(OTHERS): unit}, folders=SYSTEMD, **more)


def test_the_drivers_own_version_that_runs_passes() -> None:
    finding = only(CHECK, board())
    assert finding.verdict == "pass" and VERSION in finding.summary


def test_the_package_with_the_branch_in_its_name_counts_too() -> None:
    assert only(CHECK, board({STATUS: package(VERSION, "nvidia-fabricmanager-580")})).verdict == "pass"


@pytest.mark.parametrize(("machine", "word"), [
    (board({STATUS: "Package: bash\nStatus: install ok installed\nVersion: 5\n"}), "no fabric manager is installed"),
    (board({STATUS: package("580.126.09")}), "580.126.09, the loaded driver 580.95.05"),
    (board(active="failed"), "is failed"),
])
def test_a_fabric_manager_that_cannot_work_fails_with_role_and_steps(machine: FakeMachine, word: str) -> None:
    finding = only(CHECK, machine)
    assert finding.verdict == "fail" and word in finding.summary
    assert finding.remedy.role == "fabric_manager" and finding.remedy.steps
    assert only(CHECK, machine, vendor_managed=True).remedy.role is None


def test_without_a_driver_its_version_cannot_be_compared() -> None:
    machine = board()
    del machine.files["/sys/module/nvidia/version"]
    assert only(CHECK, machine).verdict == "unknown"


@pytest.mark.parametrize("path", ["/sys/bus/pci/devices", STATUS])
def test_what_cannot_be_read_is_unknown(path: str) -> None:
    assert only(CHECK, board(errors={path: DENIED})).verdict == "unknown"


def test_cards_without_a_switch_need_none() -> None:
    machine = FakeMachine(bus("0000:01:00.0", "0000:02:00.0", device="2330"))
    finding = only(CHECK, machine)
    assert finding.verdict == "not-applicable" and "no NVSwitch" in finding.summary
    assert only(CHECK, NO_CARD).verdict == "not-applicable"
    assert only(CHECK, board(dict(CONTAINER))).verdict == "not-applicable"
    assert only(CHECK, board(), gpu={"fabric_manager": {"enabled": False}}).verdict == "not-applicable"


def test_boards_that_hide_their_switches_and_profiles_that_say_always_need_one() -> None:
    hidden = {**bus("0000:01:00.0", "0000:02:00.0", device="2901"), "/sys/module/nvidia/version": VERSION,
              STATUS: "Package: bash\nStatus: install ok installed\nVersion: 5\n"}
    unit = {units_argv(OTHERS): units_text(*OTHERS)}
    assert only(CHECK, FakeMachine(hidden, unit, folders=SYSTEMD)).verdict == "fail"
    plain = {**hidden, **bus("0000:01:00.0", "0000:02:00.0", device="20b5")}
    always = {"fabric_manager": {"needed": "always"}}
    assert only(CHECK, FakeMachine(plain, unit, folders=SYSTEMD), gpu=always).verdict == "fail"
    assert only(CHECK, FakeMachine(plain, unit, folders=SYSTEMD)).verdict == "not-applicable"
