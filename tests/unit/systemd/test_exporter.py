from __future__ import annotations

import time

from agent.exporter.sampler import Sampler
from tests.fixtures import FakeMachine


def sampler() -> Sampler:
    return Sampler(FakeMachine, 30.0, lambda: None)


def test_a_sampler_that_has_just_begun_moves() -> None:
    assert sampler().moves()


def test_a_sampler_that_gives_no_samples_stands_still() -> None:
    stuck = sampler()
    stuck.started = time.monotonic() - 3600
    assert not stuck.moves()
    stuck.sample()
    assert stuck.moves()


def test_a_driver_that_hangs_is_asked_seldom_and_that_is_no_standstill() -> None:
    seldom = sampler()
    seldom.started = time.monotonic() - 300
    assert not seldom.moves()
    seldom._troubles = 5
    assert seldom.moves()
