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

_AREA: dict[str, Check[Any]] = load_checks(checks, ["gpu"])
# Those that look at cards through NVML; the kernel log and the fabric manager have tests of their own.
EVERY = {check_id: check for check_id, check in _AREA.items() if check_id not in ("gpu.fabric-manager", "gpu.xid")}
CHECKS = {check_id: check for check_id, check in EVERY.items() if check.level == Level.QUICK}
MATCHES = {
    "gb10": {"gpu": [r"\bGB10\b"], "min_gpus": 1, "max_gpus": 1}, "rtx4090": {"gpu": ["GeForce"], "min_gpus": 1},
    "h100x8": {"min_gpus": 8, "max_gpus": 8},
}


def findings(machine: Machine, **sections: Any) -> list[Finding]:
    """Return what every check of the area finds; a crash in one is an error of the test."""
    return found_by({**CHECKS, "gpu.xid": _AREA["gpu.xid"]}, machine, **sections)


def _action(finding: Finding) -> str:
    steps = finding.remedy.steps if finding.check == "gpu.xid" and finding.remedy else ()
    return f"\n{'':20} {'→':14} {steps[0]}" if steps else ""


def table(found: list[Finding]) -> str:
    """Return one line per verdict and summary of each check, with the number of equal cards that got it.

    A Xid's first step follows it: the catalogue's action.
    """
    lines: Counter[tuple[str, str, str]] = Counter(
        (finding.check, finding.verdict.value, shortened(finding.summary) + _action(finding)) for finding in found)
    return "".join(f"{check:20} {verdict:14} {f'{count} x ' if count > 1 else ''}{summary}\n"
                   for (check, verdict, summary), count in lines.items())
