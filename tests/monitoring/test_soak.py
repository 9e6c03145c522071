"""A minute under fifty scrapers while NVML misbehaves; an hour of the same is `make bench`'s."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.monitoring.soak import figures, soak
from tests.nvml.stand_in import StandIn

pytestmark = pytest.mark.node
SECONDS = float(os.environ.get("FIRSTLIGHT_SOAK_S", "60"))


@pytest.mark.timeout(SECONDS + 120)
def test_it_always_answers_ages_grow_and_memory_is_flat(stand_in: StandIn, tmp_path: Path) -> None:
    tally = soak(SECONDS, tmp_path, stand_in)
    seen = figures(tally)
    print(seen, sorted(tally.states))
    assert tally.wrong == []
    assert seen["scrapes"] > SECONDS * 20
    assert seen["rss_late_mb"] - seen["rss_early_mb"] < 4
    assert {"ok", "hung", "crashed", "lost", "vanished", "unasked", "answering"} <= tally.states
