from __future__ import annotations

import pytest

from checks.gpu.ecc import CHECK as ECC
from checks.gpu.mig_mode import CHECK as MIG_MODE
from checks.gpu.nvlink import CHECK as NVLINK
from checks.gpu.pcie_link import CHECK as PCIE_LINK
from checks.gpu.recovery_action import ACTIONS
from checks.gpu.recovery_action import CHECK as RECOVERY_ACTION
from checks.gpu.remapped_rows import CHECK as REMAPPED_ROWS
from checks.gpu.retired_pages import CHECK as RETIRED_PAGES
from tests.checks.findings import only, verdicts
from tests.checks.gpu.cards import NOT_SUPPORTED, STRANGE, host, one

LINK = {"pcie_width": 16, "pcie_max_width": 16, "pcie_generation": 4, "pcie_max_generation": 4}
BUSY_SLOW = {"gpu_percent": 97, "pstate": 0, "pcie_generation": 2}


@pytest.mark.parametrize(("readings", "verdict"), [
    ({"ecc": [1, 1], "ecc_uncorrected_volatile": 0}, "pass"),
    ({"ecc": [1, 1], "ecc_uncorrected_volatile": 1}, "fail"),
    ({"ecc": [1, 1], "ecc_uncorrected_volatile": STRANGE}, "unknown"),
    ({"ecc": [1, 0]}, "warn"), ({"ecc": [0, 0]}, "warn"),
    ({"ecc": [0, 0], "name": "NVIDIA GeForce RTX 4090"}, "pass"),
    ({"ecc": NOT_SUPPORTED}, "not-applicable"), ({"ecc": STRANGE}, "unknown"), ({"ecc": [1]}, "unknown"),
])
def test_ecc(readings, verdict) -> None:
    assert only(ECC, one(**readings)).verdict == verdict


@pytest.mark.parametrize(("rows", "verdict"), [
    ([0, 0, 0, 0], "pass"), ([1, 2, 0, 0], "pass"), ([0, 513, 0, 0], "fail"), ([0, 512, 0, 0], "pass"),
    ([0, 0, 1, 0], "warn"), ([0, 0, 0, 1], "fail"), ([0, 0, 1, 1], "fail"), (NOT_SUPPORTED, "not-applicable"),
    (STRANGE, "unknown"), ([0], "unknown"),
])
def test_remapped_rows(rows, verdict) -> None:
    assert only(REMAPPED_ROWS, one(remapped_rows=rows)).verdict == verdict


@pytest.mark.parametrize(("single", "double", "pending", "verdict"), [
    ([], [], 0, "pass"), ([1] * 30, [2] * 29, 0, "pass"), ([1] * 30, [2] * 30, 0, "fail"), ([], [2], 1, "warn"),
    (NOT_SUPPORTED, NOT_SUPPORTED, NOT_SUPPORTED, "not-applicable"), ([], STRANGE, 0, "unknown"),
])
def test_retired_pages(single, double, pending, verdict) -> None:
    machine = one(retired_pages_single_bit=single, retired_pages_double_bit=double, retired_pending=pending)
    assert only(RETIRED_PAGES, machine).verdict == verdict


@pytest.mark.parametrize("action", ACTIONS)
def test_every_recovery_action_fails_and_says_what_to_do(action) -> None:
    finding = only(RECOVERY_ACTION, one(recovery_action=action))
    assert finding.verdict == "fail"
    assert finding.remedy.steps


@pytest.mark.parametrize(("action", "verdict"), [
    (0, "pass"), (99, "fail"), (NOT_SUPPORTED, "not-applicable"), (STRANGE, "unknown"),
])
def test_recovery_action(action, verdict) -> None:
    assert only(RECOVERY_ACTION, one(recovery_action=action)).verdict == verdict


@pytest.mark.parametrize(("readings", "verdict"), [
    (LINK, "pass"), (LINK | {"pcie_width": 8}, "warn"), (LINK | {"pcie_generation": 1}, "pass"),
    (LINK | {"pcie_generation": 2, "samples": [BUSY_SLOW] * 4}, "warn"),
    (LINK | {"pcie_generation": 2, "samples": [BUSY_SLOW] * 3 + [BUSY_SLOW | {"pcie_generation": 4}]}, "pass"),
    (LINK | {"pcie_generation": 2, "samples": [BUSY_SLOW | {"pstate": 8}] * 4}, "pass"),
    (LINK | {"pcie_max_width": 1, "pcie_width": 1}, "not-applicable"),
    ({**LINK, "name": "NVIDIA GB10", "pcie_width": 1}, "not-applicable"),
    (LINK | {"pcie_width": NOT_SUPPORTED}, "not-applicable"), (LINK | {"pcie_max_generation": STRANGE}, "unknown"),
])
def test_pcie_link(readings, verdict) -> None:
    assert only(PCIE_LINK, one(**readings)).verdict == verdict


@pytest.mark.parametrize(("readings", "verdict"), [
    ({"mig": [0, 0]}, "not-applicable"), ({"mig": NOT_SUPPORTED}, "not-applicable"), ({"mig": STRANGE}, "unknown"),
    ({"mig": [0, 1]}, "warn"), ({"mig": [1, 0]}, "warn"), ({"mig": [1, 1], "mig_devices": []}, "warn"),
    ({"mig": [1, 1], "mig_devices": [["MIG-1", "1g.5gb", 5]]}, "pass"), ({"mig": [1, 1]}, "unknown"),
])
def test_mig_mode(readings, verdict) -> None:
    assert only(MIG_MODE, one(**readings)).verdict == verdict


def links(*states: object, **more: object) -> dict[str, object]:
    return {f"nvlink_{link}": NOT_SUPPORTED for link in range(18)} | {
        f"nvlink_{link}": state for link, state in enumerate(states)} | more


PCIE = {"name": "NVIDIA H100 PCIe"}


@pytest.mark.parametrize(("cards", "verdict"), [
    ([links(1, 1), links(1, 1)], ["pass", "pass"]),
    ([links(1, 0), links(1, 1)], ["fail", "pass"]),
    ([links(0, 0), links(0, 0)], ["fail", "fail"]),
    ([links(0, 0, **PCIE), links(0, 0, **PCIE)], ["not-applicable", "not-applicable"]),
    ([links(1, 0, **PCIE), links(1, 0, **PCIE)], ["pass", "pass"]),
    ([links(1, 0, **PCIE), links(1, 1, **PCIE)], ["warn", "pass"]),
    ([links(0, 0)], ["not-applicable"]), ([links()], ["not-applicable"]), ([links(STRANGE, 1)], ["unknown"]),
])
def test_nvlink(cards, verdict) -> None:
    assert [said for said, _ in verdicts(NVLINK, host(*cards))] == verdict
