"""What the cards' series say, through the real probe over the stand-in library."""

from __future__ import annotations

import pytest

from agent.exporter.facts import Facts, gpu_subjects, with_report
from agent.exporter.gathering import Gathering
from agent.exporter.gpu_samples import add_sample_ages
from agent.exporter.metrics import METRICS
from agent.exporter.sampler import REMEMBERED, SLOWEST_S, Sampler
from agent.model.errors import Unobservable
from agent.model.finding import CheckRun, Finding, Report
from agent.model.verdict import Verdict
from tests.fixtures import FakeMachine
from tests.nvml.stand_in import PROFILES, StandIn
from tests.unit.exporter.pages import sampled, sampler_over

THIRD = "GPU-00001008-0000-4000-8000-000000000004"


def test_gb10_shows_shared_memory_and_no_placeholder_link(stand_in: StandIn) -> None:
    page = sampled(sampler_over(stand_in, "gb10"))
    uuid = "GPU-00000010-0000-4000-8000-000000000001"
    assert page.value("firstlight_gpu_memory_unified", uuid) == 1
    assert page.value("firstlight_gpu_memory_total_bytes", uuid) == 127600748 * 1024
    assert page.value("firstlight_gpu_memory_free_bytes", uuid) == 121465408 * 1024
    assert page.value("firstlight_gpu_power_watts", uuid) == 4.1
    assert page.value("firstlight_gpu_temperature_celsius", uuid) == 38
    assert page.value("firstlight_gpu_throttle_seconds_total", uuid, "sw_thermal") == 173
    for absent in ("pcie_link_generation", "pcie_link_width", "fan_speed_ratio", "power_limit_watts", "ecc_enabled"):
        assert page.series(f"firstlight_gpu_{absent}") == {}


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_has_series_of_every_card_and_none_is_unread(stand_in: StandIn, profile: str) -> None:
    page = sampled(sampler_over(stand_in, profile))
    cards = int(stand_in.value("gpus"))
    assert set(page.series("firstlight_gpu_up").values()) == {1}
    assert len(page.series("firstlight_gpu_up")) == len(page.series("firstlight_gpu_info")) == cards
    assert set(page.series("firstlight_gpu_unread_readings").values()) == {0}
    assert all(labels[0].startswith("GPU-") for labels in page.series("firstlight_gpu_up"))


def test_a_lost_card_keeps_its_uuid_and_loses_its_readings(stand_in: StandIn) -> None:
    sampler = sampler_over(stand_in, "h100x8")
    sampler.sample()
    stand_in.add("gpu3.lost = 1")
    page = sampled(sampler)
    assert page.value("firstlight_gpu_state", THIRD, "lost") == 1
    assert page.value("firstlight_gpu_up", THIRD) == 0
    assert page.value("firstlight_gpu_error_code", THIRD) == 15
    assert page.value("firstlight_gpu_temperature_celsius", THIRD) is None
    assert len(page.series("firstlight_gpu_temperature_celsius")) == 7


def test_a_card_that_vanishes_leaves_a_series_that_says_so(stand_in: StandIn) -> None:
    sampler = sampler_over(stand_in, "h100x8")
    sampler.sample()
    stand_in.add("gpus = 7")
    page = sampled(sampler)
    last = "GPU-00001008-0000-4000-8000-000000000008"
    assert page.value("firstlight_gpu_state", last, "vanished") == 1
    assert page.value("firstlight_gpus", "nvml") == 7
    assert page.value("firstlight_gpus", "pci") == 8
    ages = Gathering()
    assert sampler.last is not None
    add_sample_ages(ages, sampler.last, sampler.last.at + 100)
    assert (ages.value("firstlight_gpu_answer_age_seconds", last) or 0) > 100


def test_a_card_of_the_last_report_that_is_gone_after_a_restart_is_told_too(stand_in: StandIn) -> None:
    facts = with_report(Facts(), Report("box", "p", "d", "quick", 0, 1, tuple(
        CheckRun(f"gpu.{name}", "", 0, (Finding(f"gpu.{name}", Verdict.PASS, "", subject),))
        for name, subject in (("ecc", "GPU-gone"), ("fan", ""), ("nvlink", "0000:04:00.0")))))
    assert gpu_subjects(facts) == {"GPU-gone"}
    sampler = sampler_over(stand_in, "gb10")
    sampler.expected = gpu_subjects(facts)
    assert sampled(sampler).value("firstlight_gpu_state", "GPU-gone", "vanished") == 1


@pytest.mark.parametrize(("fault", "state"), [
    ("crash.nvmlDeviceGetFanSpeed = 1", "crashed"), ("init = 9", "failed"),
])
def test_nvml_that_fails_leaves_every_card_unasked(stand_in: StandIn, fault: str, state: str) -> None:
    sampler = sampler_over(stand_in, "h100x8")
    sampler.sample()
    stand_in.add(fault)
    page = sampled(sampler)
    assert page.value("firstlight_nvml_up") == 0
    assert page.value("firstlight_nvml_state", state) == 1
    assert page.value("firstlight_gpus", "nvml") is None
    assert {labels[1] for labels in page.series("firstlight_gpu_state")} == {"unasked"}
    assert page.series("firstlight_gpu_temperature_celsius") == {}


def test_an_old_sample_shows_no_readings(stand_in: StandIn) -> None:
    page = sampled(sampler_over(stand_in, "h100x8"), stale=True)
    assert set(page.series("firstlight_gpu_up").values()) == {0}
    assert page.value("firstlight_nvml_up") == 0
    assert page.series("firstlight_gpu_temperature_celsius") == {}


def test_no_gpu_is_no_nvml_series_at_all() -> None:
    page = sampled(Sampler(lambda: FakeMachine(folders=("/sys/bus/pci/devices",)), 30, lambda: None))
    assert page.value("firstlight_nvml_state", "unasked") == 1
    assert page.series("firstlight_nvml_up") == {}
    assert page.value("firstlight_gpus", "pci") == 0


RUNNING = {"/proc/sys/kernel/osrelease": "6.1.0-39-amd64\n", "/boot/vmlinuz-6.1.0-39-amd64": ""}


@pytest.mark.parametrize(("files", "pending"), [
    (RUNNING, 0), (RUNNING | {"/run/reboot-required": ""}, 1), (RUNNING | {"/boot/vmlinuz-6.1.0-40-amd64": ""}, 1),
])
def test_a_marker_or_a_newer_kernel_is_a_pending_reboot(files: dict[str, str], pending: int) -> None:
    page = sampled(Sampler(lambda: FakeMachine(files, folders=("/sys/bus/pci/devices",)), 30, lambda: None))
    assert page.value("firstlight_reboot_pending") == pending


def test_a_reboot_that_cannot_be_told_is_no_series() -> None:
    page = sampled(Sampler(lambda: FakeMachine(folders=("/sys/bus/pci/devices",)), 30, lambda: None))
    assert page.series("firstlight_reboot_pending") == {}


def test_a_bus_that_cannot_be_read_is_a_failed_sample_not_a_crash() -> None:
    denied = FakeMachine(errors={"/sys/bus/pci/devices": Unobservable("permission denied")})
    sampler = Sampler(lambda: denied, 30, lambda: None)
    page = sampled(sampler)
    assert page.value("firstlight_nvml_state", "failed") == 1
    assert page.series("firstlight_gpus") == {}
    assert page.value("firstlight_samples_total", "failed") == 1


def test_a_driver_in_trouble_is_asked_less_and_less_often() -> None:
    denied = FakeMachine(errors={"/sys/bus/pci/devices": Unobservable("no answer within 8 s")})
    sampler = Sampler(lambda: denied, 30, lambda: None)
    pauses = []
    for _ in range(8):
        sampler.sample()
        pauses.append(sampler.pause_s())
    assert pauses[:4] == [60, 120, 240, 480]
    assert pauses[-1] == SLOWEST_S


def test_remembered_cards_are_bounded(stand_in: StandIn) -> None:
    sampler = sampler_over(stand_in, "gb10")
    for number in range(REMEMBERED + 20):
        sampler._answered[f"GPU-{number}"] = (number, float(number))
    for _ in range(2):
        assert len(sampler.sample().cards) <= REMEMBERED + 21
    assert len(sampler._answered) == REMEMBERED


def test_names_are_in_base_units_and_never_a_host() -> None:
    for name, metric in METRICS.items():
        assert name.startswith("firstlight_")
        assert name.endswith("_total") == (metric.kind == "counter")
        assert name.endswith("_info") == (metric.kind == "info")
        assert not {"host", "hostname", "machine", "node", "instance", "job"} & set(metric.labels)
        assert not name.endswith(("_ms", "_mb", "_mib", "_percent", "_mhz", "_mw", "_c"))
