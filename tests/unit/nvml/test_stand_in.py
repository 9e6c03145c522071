"""The stand-in library itself, through the real nvidia-ml-py: what other tests rely on."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from agent.machine.gpu import observe_gpus
from tests.nvml.machines import machine
from tests.nvml.stand_in import FAULTS, PROFILES, StandIn, base_of

WANTED = {"gb10", "rtx4090", "rtx5090", "rtx3090x2", "a100x4", "h100pcie", "h100x8", "h200x8", "gh200", "l40s",
          "a100-mig", "orin", "old-driver"}


def code_of(nvml: Any, call: Any, *arguments: Any) -> int:
    with pytest.raises(nvml.NVMLError) as caught:
        call(*arguments)
    return int(caught.value.value)


def test_every_wanted_card_has_a_profile() -> None:
    assert set(PROFILES) >= WANTED


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_changes_what_its_profile_says(fault: str) -> None:
    assert base_of(fault) in PROFILES
    lines = [line for line in FAULTS[fault].read_text().splitlines() if not line.startswith("#")]
    assert lines
    assert not set(lines) <= set(PROFILES[base_of(fault)].read_text().splitlines())


def test_an_absent_key_is_refused_and_a_zero_is_a_zero(nvml: Any) -> None:
    card = nvml.nvmlDeviceGetHandleByIndex(0)
    assert nvml.nvmlDeviceGetFanSpeed(card) == 0
    assert code_of(nvml, nvml.nvmlDeviceGetSerial, card) == nvml.NVML_ERROR_NOT_SUPPORTED


def test_every_symbol_that_pynvml_knows_is_there(nvml: Any) -> None:
    card = nvml.nvmlDeviceGetHandleByIndex(0)
    assert code_of(nvml, nvml.nvmlDeviceGetVirtualizationMode, card) == nvml.NVML_ERROR_NOT_SUPPORTED


def test_a_running_process_sees_an_edit(nvml: Any, stand_in: StandIn) -> None:
    card = nvml.nvmlDeviceGetHandleByIndex(0)
    before = nvml.nvmlDeviceGetTemperature(card, 0)
    stand_in.add("gpu0.temperature = 91")
    assert (before, nvml.nvmlDeviceGetTemperature(card, 0)) == (36, 91)
    stand_in.add("gpu0.lost = 1")
    assert code_of(nvml, nvml.nvmlDeviceGetTemperature, card, 0) == nvml.NVML_ERROR_GPU_IS_LOST


def test_a_ramp_steps_forward_at_each_look_and_stays_at_its_end(nvml: Any, stand_in: StandIn) -> None:
    stand_in.add("gpu0.temperature = 70|80|90")
    card = nvml.nvmlDeviceGetHandleByIndex(0)
    assert [nvml.nvmlDeviceGetTemperature(card, 0) for _ in range(4)] == [70, 80, 90, 90]


def listening(nvml: Any, stand_in: StandIn) -> Any:
    """Return an event set that hears the Xids of every card."""
    stand_in.add(f"gpu.event_types = {nvml.nvmlEventTypeXidCriticalError}")
    events = nvml.nvmlEventSetCreate()
    for index in range(nvml.nvmlDeviceGetCount()):
        card = nvml.nvmlDeviceGetHandleByIndex(index)
        nvml.nvmlDeviceRegisterEvents(card, nvml.nvmlEventTypeXidCriticalError, events)
    return events


def test_the_xids_of_the_kernel_log_are_events_each_once_and_in_order(nvml: Any, stand_in: StandIn) -> None:
    stand_in.use("h100x8")
    events = listening(nvml, stand_in)
    assert code_of(nvml, nvml.nvmlEventSetWait, events, 20) == nvml.NVML_ERROR_TIMEOUT
    stand_in.add(FAULTS["xid-48"].read_text())
    seen = [nvml.nvmlEventSetWait(events, 1000) for _ in range(3)]
    assert [(event.eventType, event.eventData) for event in seen] == [
        (nvml.nvmlEventTypeXidCriticalError, code) for code in (48, 63, 154)]
    assert {nvml.nvmlDeviceGetIndex(event.device) for event in seen} == {5}
    assert code_of(nvml, nvml.nvmlEventSetWait, events, 20) == nvml.NVML_ERROR_TIMEOUT
    nvml.nvmlEventSetFree(events)


def test_an_event_of_a_slice_names_the_slice(nvml: Any, stand_in: StandIn) -> None:
    events = listening(nvml, stand_in.use("a100-mig"))
    stand_in.add(FAULTS["xid-94"].read_text())
    seen = nvml.nvmlEventSetWait(events, 1000)
    assert (seen.eventData, seen.gpuInstanceId, seen.computeInstanceId) == (94, 5, 0xFFFFFFFF)


def test_what_was_logged_before_a_set_was_made_and_on_cards_it_does_not_hear_is_no_event(
    nvml: Any, stand_in: StandIn
) -> None:
    events = listening(nvml, stand_in.use("h100x8", "xid-95"))
    assert code_of(nvml, nvml.nvmlEventSetWait, events, 20) == nvml.NVML_ERROR_TIMEOUT
    deaf = nvml.nvmlEventSetCreate()
    stand_in.add(FAULTS["xid-74"].read_text())
    assert code_of(nvml, nvml.nvmlEventSetWait, deaf, 20) == nvml.NVML_ERROR_TIMEOUT


def test_a_setting_lasts_in_the_process_and_needs_root(nvml: Any, stand_in: StandIn) -> None:
    card = nvml.nvmlDeviceGetHandleByIndex(0)
    nvml.nvmlDeviceSetPersistenceMode(card, 0)
    assert nvml.nvmlDeviceGetPersistenceMode(card) == 0
    stand_in.add("root = 0")
    assert code_of(nvml, nvml.nvmlDeviceSetPersistenceMode, card, 1) == nvml.NVML_ERROR_NO_PERMISSION


def test_slices_are_devices_of_their_own(nvml: Any, stand_in: StandIn) -> None:
    stand_in.use("a100-mig")
    card = nvml.nvmlDeviceGetHandleByIndex(1)
    piece = nvml.nvmlDeviceGetMigDeviceHandleByIndex(card, 6)
    assert nvml.nvmlDeviceGetName(piece).endswith("MIG 1g.5gb")
    assert nvml.nvmlDeviceGetMemoryInfo(piece).total == 5100273664
    assert code_of(nvml, nvml.nvmlDeviceGetUtilizationRates, piece) == nvml.NVML_ERROR_NOT_SUPPORTED


@pytest.mark.parametrize(("fault", "code"), [
    ("driver-not-loaded", 9), ("mismatch", 18), ("no-library", 12), ("no-permission", 4), ("revoked", 999)])
def test_initialisation_fails_with_its_code(stand_in: StandIn, fault: str, code: int) -> None:
    script = ("import ctypes, os; ctypes.CDLL(os.environ['FIRSTLIGHT_NVML_LIBRARY'])\nimport pynvml\n"
              "try: pynvml.nvmlInit()\nexcept pynvml.NVMLError as error: print(error.value)")
    stand_in.use(base_of(fault), fault)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True,
                          env={**os.environ, **stand_in.environment})
    assert done.stdout.strip() == str(code)


def test_the_probe_sets_nothing_and_asks_nothing_needless(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRSTLIGHT_NVML_TRACE", str(stand_in.trace))
    stand_in.use("h100x8")
    observe_gpus(machine(stand_in, "h100x8"))
    calls = stand_in.trace.read_text().split()
    assert not [call for call in calls if "Set" in call or "Reset" in call or "Clear" in call]
    assert len(calls) < 8 * 80
    assert calls.count("nvmlInitWithFlags") == calls.count("nvmlShutdown") == 1
