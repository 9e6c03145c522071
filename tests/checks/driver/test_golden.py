"""Situation → findings of the whole area, kept in golden/driver.txt; every fault is named by its cause."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.model.finding import Finding
from checks.driver import (
    branch,
    device_nodes,
    dkms,
    module,
    next_boot,
    nouveau,
    open_modules,
    packages,
    persistenced,
    secure_boot,
    version,
)
from tests.checks.driver.situations import SITUATIONS, Situation
from tests.checks.findings import found_by
from tests.unit.golden import assert_golden

CHECKS = {
    "driver.branch": branch.CHECK, "driver.device-nodes": device_nodes.CHECK, "driver.dkms": dkms.CHECK,
    "driver.module": module.CHECK, "driver.next-boot": next_boot.CHECK, "driver.nouveau": nouveau.CHECK,
    "driver.open-modules": open_modules.CHECK, "driver.packages": packages.CHECK,
    "driver.persistenced": persistenced.CHECK, "driver.secure-boot": secure_boot.CHECK,
    "driver.version": version.CHECK,
}
GOLDEN = Path(__file__).parent / "golden" / "driver.txt"


def findings(situation: Situation) -> list[Finding]:
    return found_by(CHECKS, situation.machine, gpu=situation.gpu)


@pytest.mark.parametrize("name", SITUATIONS)
def test_a_situation_is_named_by_its_cause(name: str) -> None:
    check, verdict, word = SITUATIONS[name].wanted
    said = [finding for finding in findings(SITUATIONS[name]) if finding.check == check]
    assert [finding for finding in said if finding.verdict == verdict
            and word in f"{finding.summary} {' '.join(finding.remedy.steps)}"], said
    if verdict in ("fail", "warn"):
        bad = [finding for finding in said if finding.verdict == verdict]
        assert all(finding.remedy.role or finding.remedy.steps for finding in bad)


def test_every_check_is_seen_to_pass_and_not_to() -> None:
    wanted = {(situation.wanted[0], situation.wanted[1]) for situation in SITUATIONS.values()}
    assert {check for check, verdict in wanted if verdict in ("fail", "warn")} == set(CHECKS)


def test_the_table_of_situations_is_the_one_that_was_read() -> None:
    lines = []
    for name, situation in SITUATIONS.items():
        lines.append(f"== {name}")
        lines += [f"{finding.check:20} {finding.verdict.value:14} {finding.summary}" for finding in findings(situation)
                  if name == "healthy" or finding.verdict.value not in ("pass", "not-applicable")
                  or finding.check == situation.wanted[0]]
    assert_golden("\n".join(lines) + "\n", GOLDEN)
