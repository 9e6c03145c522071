"""What holds for every check of this area."""

from __future__ import annotations

import pytest

from agent.model.errors import Missing
from tests.checks.findings import DENIED, found, only
from tests.checks.gpu.cards import DEAD_PROBE, LOST, NO_CARD, STRANGE, answer, host
from tests.checks.gpu.situations import EVERY as CHECKS

# Readings a check can do without: they are no question to NVML, or their absence is told otherwise.
FROM_THE_BUS = ("gpu.count",)
every_check = pytest.mark.parametrize("check_id", CHECKS)


def test_there_are_twenty_checks() -> None:
    assert len(CHECKS) == 20


@every_check
def test_a_machine_without_a_gpu_is_not_applicable_and_nvml_is_not_started(check_id: str) -> None:
    assert only(CHECKS[check_id], NO_CARD).verdict == "not-applicable"
    assert not [asked for asked in NO_CARD.asked if asked[0] == "run"]


@every_check
def test_a_bus_that_cannot_be_read_is_unknown(check_id: str) -> None:
    machine = host({}, errors={"/sys/bus/pci/devices": DENIED})
    assert only(CHECKS[check_id], machine).verdict == "unknown"


@every_check
@pytest.mark.parametrize("said", [DEAD_PROBE, "not JSON", '{"gpus": []}', Missing("no python")])
def test_a_probe_that_fails_is_unknown(check_id: str, said: str | Exception) -> None:
    assert only(CHECKS[check_id], host(said=said)).verdict == "unknown"


@every_check
def test_a_refused_reading_is_never_pass(check_id: str) -> None:
    if check_id in ("gpu.presence", "gpu.responds", *FROM_THE_BUS):
        return
    silent = answer({}, hung_in="nvmlDeviceGetName of GPU 0").replace('"v": "GPU-0"', '"e": 999')
    for finding in found(CHECKS[check_id], host(said=silent)):
        assert finding.verdict == "unknown", finding


@every_check
def test_a_lost_card_is_told_by_responds_and_unknown_to_the_others(check_id: str) -> None:
    if check_id in FROM_THE_BUS:
        return
    lost = {"name": LOST, "uuid": LOST, "address": LOST}
    wanted = "fail" if check_id == "gpu.responds" else "unknown"
    assert only(CHECKS[check_id], host(lost)).verdict == wanted


@every_check
def test_nvml_that_does_not_come_up_is_told_by_responds_alone(check_id: str) -> None:
    if check_id in FROM_THE_BUS:
        return
    said = answer(failure={"code": 999, "text": "Unknown Error"})
    assert only(CHECKS[check_id], host(said=said)).verdict == ("fail" if check_id == "gpu.responds" else "unknown")


@every_check
def test_every_check_says_why_and_what_to_do(check_id: str) -> None:
    check = CHECKS[check_id]
    assert check.why.endswith(".")
    assert check.remedy.steps or check_id == "gpu.recovery-action"


def test_strange_errors_of_one_reading_leave_the_card_judged() -> None:
    verdicts = {check_id: only(CHECKS[check_id], host({"fan_percent": STRANGE, "persistence": 1})).verdict.value
                for check_id in ("gpu.fan", "gpu.persistence")}
    assert verdicts == {"gpu.fan": "unknown", "gpu.persistence": "pass"}
