"""Ten thousand collected reports are compared in 3 s of CPU time and 300 MB, and both grow only with their number."""

from __future__ import annotations

import os
import time
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from agent.drift.areas import OWN
from agent.fleet.look import FleetLook, look_at_reports
from agent.report.json import render_envelope
from tests.unit.fleet.samples import report

if TYPE_CHECKING:
    from pathlib import Path

FEW, MANY = 1000, 10_000
LIMIT_S, LIMIT_BYTES = 3.0, 300_000_000
GROWTH_BYTES, GROWTH_S = 15, 25  # for ten times the machines: twelve measured, a quadratic one would cost a hundred
ODD_SHARE, ODD_AT = 100, 17
AREAS = ("package", "sysctl", "unit", "etc", "image", "limit", "group", "user", "cron", "apt-source", "gpu")
ALIKE = {area: {f"{area}-{number}": f"1.{number}" for number in range(40)} for area in AREAS}
DRIFTED = tuple({**ALIKE, area: {**ALIKE[area], key: "changed"}} for area, key in (
    ("package", "package-7"), ("group", "docker"), ("sysctl", "sysctl-1")))


def collect(folder: Path, numbers: range) -> None:
    """Collect the reports of these machines, links to four texts: one machine in a hundred has one of three drifts."""
    texts = folder.parent / "texts"
    texts.mkdir(exist_ok=True)
    for kind, facts in enumerate((ALIKE, *DRIFTED)):
        (texts / str(kind)).write_text(render_envelope(report("node", facts), command="drift"))
    for number in numbers:
        kind = 1 + number // ODD_SHARE % len(DRIFTED) if number % ODD_SHARE == ODD_AT else 0
        os.link(texts / str(kind), folder / f"node-{number:05}.json")


def cpu_s(folder: Path) -> float:
    """Return what the cheaper of two comparisons costs, in seconds of CPU time."""
    costs = []
    for _ in range(2):
        begun = time.process_time()
        look_at_reports(str(folder), OWN)
        costs.append(time.process_time() - begun)
    return min(costs)


def peak(folder: Path) -> tuple[int, FleetLook]:
    """Return the most memory a comparison held, in bytes, and what it found."""
    tracemalloc.start()
    try:
        look = look_at_reports(str(folder), OWN)
        return tracemalloc.get_traced_memory()[1], look
    finally:
        tracemalloc.stop()


@pytest.mark.timeout(300)
def test_ten_thousand_machines_are_compared_in_time_and_memory_that_grow_with_their_number(tmp_path: Path) -> None:
    folder = tmp_path / "collected"
    folder.mkdir()
    collect(folder, range(FEW))
    few_s, (few_bytes, _) = cpu_s(folder), peak(folder)
    collect(folder, range(FEW, MANY))
    many_s, (many_bytes, look) = cpu_s(folder), peak(folder)
    (cohort,) = look.cohorts
    assert (cohort.machines, len(cohort.odd)) == (MANY, len(DRIFTED))
    assert sum(len(odd.machines) for odd in cohort.odd) == MANY // ODD_SHARE
    assert many_s < LIMIT_S, f"{many_s:.2f} s of CPU time"
    assert many_bytes < LIMIT_BYTES, f"{many_bytes / 1e6:.0f} MB"
    assert many_s < GROWTH_S * few_s, f"{few_s:.3f} s for {FEW}, {many_s:.3f} s for {MANY}"
    assert many_bytes < GROWTH_BYTES * few_bytes, f"{few_bytes / 1e6:.1f} MB for {FEW}, {many_bytes / 1e6:.1f} MB"
