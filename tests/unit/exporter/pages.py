"""An exporter's page as values, without a server."""

from __future__ import annotations

from agent.exporter.facts import Facts
from agent.exporter.gathering import Gathering
from agent.exporter.gpu_samples import add_sample
from agent.exporter.sampler import Sampler
from agent.machine.api import Machine
from tests.nvml.machines import machine
from tests.nvml.stand_in import StandIn


class Cards:
    """A machine that is looked at anew for each sample, as the stand-in answers then."""

    def __init__(self, stand_in: StandIn, profile: str) -> None:
        self.stand_in, self.profile = stand_in.use(profile), profile

    def __call__(self) -> Machine:
        return machine(self.stand_in, self.profile)


def sampled(sampler: Sampler, *, stale: bool = False) -> Gathering:
    """Return what one more sample shows."""
    into = Gathering()
    add_sample(into, sampler.sample(), stale=stale)
    return into


def sampler_over(stand_in: StandIn, profile: str, every_s: float = 30.0) -> Sampler:
    return Sampler(Cards(stand_in, profile), every_s, lambda: None)


NOTHING = Facts()
