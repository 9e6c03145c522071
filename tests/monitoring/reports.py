"""Reports made for these tests: as many checks as asked, with chosen verdicts."""

from __future__ import annotations

import time
from collections.abc import Mapping

from agent.model.finding import CheckRun, Finding, Report
from agent.model.verdict import Verdict

AREAS = ("kernel", "storage", "container", "system", "gpu")


def report(machine: str, *, checks: int = 100, age_s: float = 0.0, level: str = "quick",
           verdicts: Mapping[str, Verdict] | None = None, subjects: int = 1) -> Report:
    """Return a report; `verdicts` by check id, pass for the others. Checks are called `kernel.check-000` …"""
    finished = time.time() - age_s
    names = [f"{AREAS[number % len(AREAS)]}.check-{number:03d}" for number in range(checks)]
    runs = []
    for name in dict.fromkeys([*names, *(verdicts or {})]):
        verdict = (verdicts or {}).get(name, Verdict.PASS)
        many = subjects if name.startswith("gpu.") else 1
        findings = tuple(Finding(name, verdict, f"{name} says {verdict}", f"subject-{number}" if many > 1 else "")
                         for number in range(many))
        runs.append(CheckRun(name, name, 0.0123, findings))
    return Report(machine, "datacenter", "0123456789abcdef", level, finished - 2.5, finished, tuple(runs))
