from __future__ import annotations

import pytest

from checks.gpu.clocks import CHECK as CLOCKS
from checks.gpu.fan import CHECK as FAN
from checks.gpu.memory import CHECK as MEMORY
from checks.gpu.power import CHECK as POWER
from checks.gpu.temperature import CHECK as TEMPERATURE
from checks.gpu.throttle import CHECK as THROTTLE
from tests.checks.findings import DENIED, only, verdicts
from tests.checks.gpu.cards import MEMINFO, NOT_SUPPORTED, STRANGE, answer, host, one

GIB = 1 << 30
STUCK = {"gpu_percent": 96, "pstate": 0, "clock_sm_mhz": 702, "event_reasons": 0}


def samples(name: str, *values: object) -> list[dict[str, object]]:
    return [{name: value} for value in values]


@pytest.mark.parametrize(("readings", "verdict"), [
    ({"memory_bytes": [24 * GIB, 20 * GIB, 4 * GIB]}, "pass"), ({"memory_bytes": [24 * GIB, 0, 24 * GIB]}, "pass"),
    ({"memory_bytes": NOT_SUPPORTED}, "unknown"), ({"memory_bytes": [0, 0, 0]}, "unknown"),
    ({"memory_bytes": STRANGE}, "unknown"),
    ({"memory_bytes": NOT_SUPPORTED, "name": "NVIDIA GB10"}, "pass"),
    ({"memory_bytes": STRANGE, "name": "NVIDIA GB10"}, "unknown"),
])
def test_memory(readings, verdict) -> None:
    assert only(MEMORY, one(**readings)).verdict == verdict


@pytest.mark.parametrize(("available_kib", "verdict"), [(60_000_000, "pass"), (5_000_000, "warn"), (1_000_000, "fail")])
def test_unified_memory_that_is_nearly_gone_endangers_the_machine(available_kib, verdict) -> None:
    text = MEMINFO.replace("121465408", str(available_kib))
    machine = host({"name": "NVIDIA GB10", "memory_bytes": NOT_SUPPORTED}, files={"/proc/meminfo": text})
    assert only(MEMORY, machine).verdict == verdict


def test_unified_memory_of_a_host_that_does_not_tell_is_unknown() -> None:
    said = answer({"name": "NVIDIA GB10", "memory_bytes": NOT_SUPPORTED})
    assert only(MEMORY, host(said=said, errors={"/proc/meminfo": DENIED})).verdict == "unknown"


@pytest.mark.parametrize(("readings", "verdict"), [
    ({"temperature_c": 60, "margin_c": 27}, "pass"), ({"temperature_c": 84, "margin_c": 3}, "warn"),
    ({"temperature_c": 89, "margin_c": -2}, "fail"), ({"temperature_c": 89, "margin_c": -7, "slowdown_margin_c": -8},
                                                      "warn"),
    ({"temperature_c": 40, "margin_c": 0}, "pass"),
    ({"temperature_c": 84, "threshold_gpu_max_c": 85, "threshold_slowdown_c": 89}, "pass"),
    ({"temperature_c": 85, "threshold_gpu_max_c": 85, "threshold_slowdown_c": 89}, "warn"),
    ({"temperature_c": 89, "threshold_gpu_max_c": 85, "threshold_slowdown_c": 89}, "fail"),
    ({"temperature_c": 50, "threshold_gpu_max_c": 0, "threshold_slowdown_c": -2}, "pass"),
    ({"temperature_c": 86, "name": "NVIDIA GB10"}, "warn"), ({"temperature_c": 95, "name": "NVIDIA GB10"}, "fail"),
    ({"temperature_c": 84, "name": "NVIDIA GeForce RTX 4090"}, "pass"),
    ({"temperature_c": 85, "name": "NVIDIA GeForce RTX 4090"}, "warn"),
    ({"temperature_c": 91, "samples": samples("temperature_c", 70, 70, 70, 70)}, "pass"),
    ({"temperature_c": 80, "samples": samples("temperature_c", 86, 87, 88, 89)}, "warn"),
    ({"temperature_c": NOT_SUPPORTED}, "not-applicable"), ({"temperature_c": STRANGE}, "unknown"),
])
def test_temperature(readings, verdict) -> None:
    assert only(TEMPERATURE, one(**readings)).verdict == verdict


@pytest.mark.parametrize(("limits", "temperature_c", "verdict"), [
    ({"warn_c": 70, "fail_c": 80}, 69, "pass"), ({"warn_c": 70, "fail_c": 80}, 70, "warn"),
    ({"warn_c": 70, "fail_c": 80}, 80, "fail"), ({"warn_c": 92, "fail_c": 97}, 91, "pass"),
    ({"warn_c": 70}, 70, "warn"), ({"warn_c": 70}, 95, "fail"), ({"warn_c": 99}, 99, "warn"),
    ({"warn_c": 99}, 100, "fail"), ({"fail_c": 90}, 86, "warn"), ({"fail_c": 90}, 90, "fail"),
    ({"fail_c": 60}, 59, "warn"), ({"fail_c": 60}, 58, "pass"), ({}, 85, "warn"),
])
def test_where_a_card_tells_no_limit_the_profiles_holds(limits, temperature_c, verdict) -> None:
    machine = one(temperature_c=temperature_c, name="NVIDIA GeForce RTX 4090")
    finding = only(TEMPERATURE, machine, gpu={"temperature": limits})
    assert finding.verdict == verdict
    assert ("the profile says" in finding.summary) == bool(limits)


@pytest.mark.parametrize("own", [{"margin_c": 20}, {"threshold_gpu_max_c": 95, "threshold_slowdown_c": 98}])
def test_a_cards_own_limit_goes_before_the_profiles(own) -> None:
    limits = {"temperature": {"warn_c": 70, "fail_c": 80}}
    assert only(TEMPERATURE, one(temperature_c=84, **own), gpu=limits).verdict == "pass"


@pytest.mark.parametrize(("memory", "verdict"), [(94, "pass"), (95, "warn"), (105, "fail")])
def test_memory_temperature_is_judged_where_there_is_a_sensor(memory, verdict) -> None:
    assert [said for said, _ in verdicts(TEMPERATURE, one(temperature_c=40, memory_temperature_c=memory))] == [
        "pass", verdict]
    assert len(verdicts(TEMPERATURE, one(temperature_c=40, memory_temperature_c=0))) == 1


@pytest.mark.parametrize(("reasons", "later", "verdict"), [
    (0x0, (), "pass"), (0x1, (), "pass"), (0x4, (), "pass"), (0x5, (), "pass"), (0x2 | 0x10 | 0x100, (), "pass"),
    (0x20, (0x20,) * 4, "warn"), (0x20, (0x20, 0x0), "pass"), (0x8, (0x8,) * 4, "warn"), (0x8, (0x1,), "pass"),
    (0x40, (0x48,) * 4, "fail"), (0x80, (0x88,) * 4, "fail"), (0x88, (0x0,), "pass"),
    (NOT_SUPPORTED, (), "not-applicable"), (STRANGE, (), "unknown"),
])
def test_throttle_reasons_are_judged_by_bit_and_must_last(reasons, later, verdict) -> None:
    assert only(THROTTLE, one(event_reasons=reasons, samples=samples("event_reasons", *later))).verdict == verdict


@pytest.mark.parametrize(("draw", "limit", "default", "verdict"), [
    (300_000, 450_000, 450_000, "pass"), (300_000, 315_000, 350_000, "pass"), (90_000, 200_000, 450_000, "warn"),
    (600_000, 450_000, 450_000, "warn"), (4_000, NOT_SUPPORTED, NOT_SUPPORTED, "not-applicable"),
    (STRANGE, 450_000, 450_000, "unknown"), (1, STRANGE, 450_000, "unknown"),
])
def test_power(draw, limit, default, verdict) -> None:
    machine = one(power_mw=draw, power_limit_mw=limit, power_default_mw=default)
    assert only(POWER, machine).verdict == verdict


@pytest.mark.parametrize(("percent", "rpm", "temperature", "verdict"), [
    (30, 900, 80, "pass"), (0, 0, 45, "pass"), (0, 0, 70, "fail"), (0, NOT_SUPPORTED, 70, "fail"),
    (0, 800, 80, "pass"), (0, 0, STRANGE, "unknown"), (NOT_SUPPORTED, NOT_SUPPORTED, 80, "not-applicable"),
    (STRANGE, 0, 80, "unknown"),
])
def test_fan(percent, rpm, temperature, verdict) -> None:
    assert only(FAN, one(fan_percent=percent, fan_rpm=rpm, temperature_c=temperature)).verdict == verdict


@pytest.mark.parametrize(("clock", "later", "verdict"), [
    (702, [STUCK] * 4, "warn"), (702, [STUCK] * 3 + [STUCK | {"clock_sm_mhz": 2400}], "pass"), (208, [], "pass"),
    (702, [STUCK | {"event_reasons": 0x4}] * 4, "pass"), (702, [STUCK | {"pstate": 8}] * 4, "pass"),
    (NOT_SUPPORTED, [], "not-applicable"), (STRANGE, [], "unknown"),
])
def test_a_low_clock_warns_only_under_lasting_load_and_without_a_reason(clock, later, verdict) -> None:
    assert only(CLOCKS, one(clock_sm_mhz=clock, clock_sm_max_mhz=3003, samples=later)).verdict == verdict
