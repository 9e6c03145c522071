"""What holds for every check of this area."""

from __future__ import annotations

from typing import Any

import pytest

import checks
from agent.check import Check
from agent.engine.discovery import load_checks
from tests.checks.driver.machines import ABSENT, ADDRESS, NO_CARD, UNLOADED, driver
from tests.checks.findings import CONTAINER, DENIED, found, only
from tests.fixtures import link

CHECKS: dict[str, Check[Any]] = load_checks(checks, ["driver"])
DRIVER = {"gpu": {"driver": {"enabled": True, "branch": "580"}}}
every_check = pytest.mark.parametrize("check_id", CHECKS)


def test_there_are_eleven_checks() -> None:
    assert len(CHECKS) == 11


@every_check
def test_a_healthy_machine_passes_and_starts_one_command_at_most(check_id: str) -> None:
    machine = driver()
    findings = found(CHECKS[check_id], machine, **DRIVER)
    wanted = "not-applicable" if check_id == "driver.dkms" else "pass"
    assert {finding.verdict.value for finding in findings} == {wanted}, findings
    assert len({asked for asked in machine.asked if asked[0] == "run"}) <= 3
    assert all(finding.summary.endswith((".", "?")) for finding in findings)


@every_check
def test_a_machine_without_a_card_is_not_applicable(check_id: str) -> None:
    assert only(CHECKS[check_id], NO_CARD, **DRIVER).verdict == "not-applicable"
    assert not [asked for asked in NO_CARD.asked if asked[0] == "run"]


@every_check
def test_a_container_and_cards_for_virtual_machines_are_not_applicable(check_id: str) -> None:
    for files in (dict(CONTAINER), {f"/sys/bus/pci/devices/{ADDRESS}/driver": link("../drivers/vfio-pci")}):
        finding = only(CHECKS[check_id], driver(files), **DRIVER)
        assert finding.verdict == "not-applicable"
        assert "container" in finding.summary or "virtual machines" in finding.summary


@every_check
@pytest.mark.parametrize("path", ["/sys/bus/pci/devices", "/sys/module/nvidia/version"])
def test_what_cannot_be_looked_at_is_unknown(check_id: str, path: str) -> None:
    assert only(CHECKS[check_id], driver(errors={path: DENIED}), **DRIVER).verdict == "unknown"


@every_check
def test_without_any_driver_only_driver_module_fails(check_id: str) -> None:
    verdicts = {finding.verdict.value for finding in found(CHECKS[check_id], driver(ABSENT), **DRIVER)}
    other = {"driver.dkms": "not-applicable", "driver.nouveau": "pass"}
    assert verdicts == {"fail" if check_id == "driver.module" else other.get(check_id, "unknown")}


@every_check
def test_a_driver_that_is_not_loaded_raises_no_second_alarm(check_id: str) -> None:
    verdicts = {finding.verdict.value for finding in found(CHECKS[check_id], driver(UNLOADED), **DRIVER)}
    assert ("fail" in verdicts) == (check_id == "driver.module")


@every_check
def test_a_vendor_managed_system_never_names_a_role(check_id: str) -> None:
    for machine in (driver(ABSENT), driver(UNLOADED)):
        for finding in found(CHECKS[check_id], machine, vendor_managed=True, **DRIVER):
            assert finding.remedy.role is None


@every_check
def test_every_check_says_why(check_id: str) -> None:
    assert CHECKS[check_id].why.endswith(".")
