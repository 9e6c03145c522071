"""gpu.clocks-under-load, judged on samples of a loaded card; the load itself: tests/unit/nvml/test_under_load.py."""

from __future__ import annotations

import json
from typing import Any

import pytest

from checks.gpu import REASONS
from checks.gpu.clocks_under_load import CHECK, LOAD_S
from tests.checks.findings import found, only
from tests.checks.gpu.cards import NO_CARD, NOT_SUPPORTED, STRANGE, answer, host
from tests.fixtures import FakeMachine

IDLE = {"compute_processes": [], "utilization_percent": [0, 0], "clock_sm_max_mhz": 3003, "mig": NOT_SUPPORTED}
BUSY = {"gpu_percent": 99, "pstate": 0, "event_reasons": 0, "clock_sm_mhz": 2400}


def loaded(samples: list[dict[str, Any]], *, refused: dict[str, str] | None = None, said: dict[str, Any] | None = None,
           **readings: Any) -> FakeMachine:
    """Return a machine with one card that shows these samples while it is loaded."""
    look = json.loads(answer({"samples": samples}, **(said or {})))
    text = json.dumps({"refused": refused or {}, "looks": [look, look]})
    machine = host(IDLE | readings)
    machine.commands["firstlight-load", f"{LOAD_S:g}", "0000:01:00.0"] = text
    return machine


def test_a_clock_worth_the_name_passes() -> None:
    assert only(CHECK, loaded([BUSY] * 4)).verdict == "pass"


@pytest.mark.parametrize(("reasons", "verdict", "word"), [
    (0x0, "fail", "no reason"), (0x1, "fail", "no reason"), (0x20, "warn", "highest temperature"),
    (0x48, "warn", "too hot"), (0x80, "warn", "power brake"), (0x4, "pass", "at its power limit"),
    (0x2, "pass", "locked by a setting"),
])
def test_a_low_clock_is_told_with_its_reason(reasons: int, verdict: str, word: str) -> None:
    finding = only(CHECK, loaded([BUSY | {"clock_sm_mhz": 702, "event_reasons": reasons}] * 4))
    assert (finding.verdict, word in finding.summary) == (verdict, True)
    named = [name for bit, name in REASONS if name in finding.summary]
    assert named == [name for bit, name in REASONS if reasons & bit]


def test_one_good_sample_or_a_reason_that_does_not_last_changes_the_verdict() -> None:
    slow = BUSY | {"clock_sm_mhz": 702}
    assert only(CHECK, loaded([slow] * 3 + [BUSY])).verdict == "pass"
    assert only(CHECK, loaded([slow | {"event_reasons": 0x40}] * 3 + [slow])).verdict == "fail"


@pytest.mark.parametrize("samples", [[], [BUSY | {"gpu_percent": 20}], [BUSY | {"clock_sm_mhz": None}]])
def test_a_card_that_never_got_busy_is_unknown(samples: list[dict[str, Any]]) -> None:
    assert "did not make it busy" in only(CHECK, loaded(samples)).summary


def test_a_refused_load_and_a_driver_that_falls_silent_are_unknown() -> None:
    refused = only(CHECK, loaded([BUSY], refused={"0000:01:00.0": "cuInit: no CUDA device (CUDA error 100)"}))
    silent = only(CHECK, loaded([BUSY], said={"hung_in": "nvmlInit"}))
    assert (refused.verdict, silent.verdict) == ("unknown", "unknown")
    assert "cuInit" in refused.summary
    assert "nvmlInit" in silent.summary


@pytest.mark.parametrize(("readings", "verdict"), [
    ({"compute_processes": [[1, 2]]}, "unknown"), ({"utilization_percent": [50, 0]}, "unknown"),
    ({"utilization_percent": STRANGE}, "unknown"), ({"mig": [1, 1]}, "not-applicable"),
    ({"clock_sm_max_mhz": NOT_SUPPORTED}, "not-applicable"), ({"clock_sm_max_mhz": STRANGE}, "unknown"),
])
def test_a_card_that_is_used_divided_or_silent_is_not_loaded(readings: dict[str, Any], verdict: str) -> None:
    machine = loaded([BUSY] * 4, **readings)
    assert only(CHECK, machine).verdict == verdict
    loads = [asked for asked in machine.asked if asked[:2] == ("run", "firstlight-load")]
    assert loads == [] or "clock_sm_max_mhz" in readings


def test_a_machine_without_a_gpu_is_not_loaded() -> None:
    assert [finding.verdict.value for finding in found(CHECK, NO_CARD)] == ["not-applicable"]


def test_the_evidence_is_made_of_words() -> None:
    finding = only(CHECK, loaded([BUSY | {"clock_sm_mhz": 702, "power_mw": 21000, "temperature_c": None}]))
    assert finding.evidence[0].lines[0] == "99 % busy, P0, SM 702 MHz, 21 W, event reasons 0x0"
