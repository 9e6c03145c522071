"""`promtool check metrics` on the page of every stand-in card, of a machine without one, and of every fault."""

from __future__ import annotations

import pytest

from agent.exporter.exposition import TEXT, Exposition
from agent.exporter.facts import Facts, with_report
from agent.exporter.sampler import Sampler
from agent.model.verdict import Verdict
from tests.fixtures import FakeMachine
from tests.monitoring.reports import report
from tests.monitoring.serve_cards import measured
from tests.monitoring.test_rules import promtool
from tests.nvml.stand_in import PROFILES, StandIn
from tests.unit.exporter.pages import sampler_over

pytestmark = pytest.mark.node
FACTS = measured(with_report(Facts(), report("box", verdicts={"a.b": Verdict.FAIL}, subjects=8)))


def page(sampler: Sampler) -> str:
    made = Exposition(sampler)
    sampler.sample()
    made.tell(FACTS)
    return made.page(TEXT).decode()


@pytest.mark.parametrize("profile", PROFILES)
def test_the_page_of_every_card_is_without_fault(stand_in: StandIn, profile: str) -> None:
    text = page(sampler_over(stand_in, profile))
    assert "firstlight_gpu_up{" in text
    assert promtool("check", "metrics", text=text) == ""


@pytest.mark.parametrize("fault", ["gpu3.lost = 1", "gpus = 7", "init = 9", "crash.nvmlDeviceGetFanSpeed = 1"])
def test_the_page_of_every_fault_is_without_fault(stand_in: StandIn, fault: str) -> None:
    sampler = sampler_over(stand_in, "h100x8")
    sampler.sample()
    stand_in.add(fault)
    assert promtool("check", "metrics", text=page(sampler)) == ""


def test_the_page_of_a_machine_without_a_card_is_without_fault() -> None:
    empty = FakeMachine(folders=("/sys/bus/pci/devices",))
    assert promtool("check", "metrics", text=page(Sampler(lambda: empty, 30, lambda: None))) == ""


def test_promtool_would_see_a_fault() -> None:
    with pytest.raises(AssertionError, match="counter metrics should have"):
        promtool("check", "metrics", text="# HELP a b\n# TYPE a counter\na 1\n")
