"""Every check of the area on one machine, as a table of findings."""

from __future__ import annotations

from collections import Counter
from typing import Any

import checks
from agent.check import Check, Level
from agent.engine.discovery import load_checks
from agent.machine.api import Machine
from agent.model.finding import Finding
from tests.checks.findings import found_by
from tests.nvml.machines import shortened

# Those that look at cards through NVML; the kernel log and the fabric manager have tests of their own.
ELSEWHERE = ("gpu.fabric-manager", "gpu.xid")
EVERY: dict[str, Check[Any]] = {
    check_id: check for check_id, check in load_checks(checks, ["gpu"]).items() if check_id not in ELSEWHERE}
CHECKS = {check_id: check for check_id, check in EVERY.items() if check.level == Level.QUICK}
MATCHES = {
    "gb10": {"gpu": [r"\bGB10\b"], "min_gpus": 1, "max_gpus": 1}, "rtx4090": {"gpu": ["GeForce"], "min_gpus": 1},
    "h100x8": {"min_gpus": 8, "max_gpus": 8},
}


def findings(machine: Machine, **sections: Any) -> list[Finding]:
    """Return what every check of the area finds; a crash in one is an error of the test."""
    return found_by(CHECKS, machine, **sections)


def table(found: list[Finding]) -> str:
    """Return one line per verdict and summary of each check, with the number of equal cards that got it."""
    lines: Counter[tuple[str, str, str]] = Counter(
        (finding.check, finding.verdict.value, shortened(finding.summary)) for finding in found)
    return "".join(f"{check:20} {verdict:14} {f'{count} x ' if count > 1 else ''}{summary}\n"
                   for (check, verdict, summary), count in lines.items())
