"""Situation → findings of the whole area, kept in golden/cuda.txt; every fault is named by its cause."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.engine.judgement import run_check
from agent.model.finding import Finding
from checks.cuda import cudnn, driver_fit, frameworks, library_path, nvcc, profilers, toolkit
from tests.checks.cuda.machines import STATUS, cuda
from tests.checks.cuda.situations import SITUATIONS, Situation
from tests.checks.findings import DENIED, found_by, only, profile
from tests.fixtures import FakeMachine
from tests.unit.golden import assert_golden

CHECKS = {
    "cuda.cudnn": cudnn.CHECK, "cuda.driver-fit": driver_fit.CHECK, "cuda.frameworks": frameworks.CHECK,
    "cuda.library-path": library_path.CHECK, "cuda.nvcc": nvcc.CHECK, "cuda.profilers": profilers.CHECK,
    "cuda.toolkit": toolkit.CHECK,
}
GOLDEN = Path(__file__).parent / "golden" / "cuda.txt"
NO_CARD = FakeMachine({"/sys/bus/pci/devices/0000:00:02.0/vendor": "0x8086\n"})
every_check = pytest.mark.parametrize("check_id", CHECKS)


def findings(situation: Situation) -> list[Finding]:
    return found_by(CHECKS, situation.machine, **situation.sections)


@pytest.mark.parametrize("name", SITUATIONS)
def test_a_situation_is_named_by_its_cause(name: str) -> None:
    check, verdict, word = SITUATIONS[name].wanted
    said = [finding for finding in findings(SITUATIONS[name]) if finding.check == check]
    bad = [finding for finding in said if finding.verdict == verdict and word in finding.summary]
    assert bad, said
    if verdict in ("fail", "warn"):
        assert all(finding.remedy.role or finding.remedy.steps for finding in bad)


def test_the_table_of_situations_is_the_one_that_was_read() -> None:
    lines = []
    for name, situation in SITUATIONS.items():
        lines.append(f"== {name}")
        lines += [f"{finding.check:18} {finding.verdict.value:14} {finding.summary}" for finding in findings(situation)
                  if name == "healthy" or finding.verdict.value not in ("pass", "not-applicable")
                  or finding.check == situation.wanted[0]]
    assert_golden("\n".join(lines) + "\n", GOLDEN)


@every_check
def test_a_machine_without_card_and_toolkit_is_not_applicable(check_id: str) -> None:
    assert only(CHECKS[check_id], NO_CARD).verdict == "not-applicable"


@every_check
def test_what_cannot_be_looked_at_is_unknown(check_id: str) -> None:
    paths = {"cuda.driver-fit": "/sys/bus/pci/devices", "cuda.frameworks": "/sys/bus/pci/devices",
             "cuda.library-path": "/sys/bus/pci/devices", "cuda.profilers": STATUS}
    assert only(CHECKS[check_id], cuda(errors={paths.get(check_id, "/usr/local"): DENIED})).verdict == "unknown"


@every_check
def test_a_vendor_managed_system_never_names_a_role(check_id: str) -> None:
    for name, situation in SITUATIONS.items():
        sections = {**situation.sections, "vendor_managed": True}
        for finding in run_check(check_id, CHECKS[check_id], situation.machine, profile(**sections)).findings:
            assert finding.remedy.role is None, name


@every_check
def test_every_check_says_why(check_id: str) -> None:
    assert CHECKS[check_id].why.endswith(".")


def test_no_check_starts_a_compiler_or_imports_a_framework() -> None:
    machine = SITUATIONS["torch-fits"].machine
    findings(SITUATIONS["torch-fits"])
    assert {asked[1:] for asked in machine.asked if asked[0] == "run"} == {("uname", "-m")}
