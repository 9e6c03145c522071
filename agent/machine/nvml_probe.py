"""Asks NVML everything once and prints one JSON object. Runs alone, as a child: `python nvml_probe.py SECONDS`.

A sick driver blocks its caller in a state no signal ends, so the process that is waited for never touches NVML:
it forks one that does, reads its lines until the deadline and then answers with what came, naming the call that
did not return. The other is killed and left behind.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT_BYTES = 8 << 20
NOT_SUPPORTED, GPU_IS_LOST, RESET_REQUIRED = 3, 15, 16
CLOCKS = {"graphics": 0, "sm": 1, "memory": 2}
THRESHOLDS = {"shutdown": 0, "slowdown": 1, "memory_max": 2, "gpu_max": 3}
FIELDS = {
    "memory_temperature_c": 82, "shutdown_margin_c": 193, "slowdown_margin_c": 194, "memory_max_margin_c": 195,
    "gpu_max_margin_c": 196, "recovery_action": 230, "nvlink_count": 91,
    "sw_thermal_us": 269, "hw_thermal_us": 270, "power_brake_us": 271,
}


def main(deadline_s: float) -> None:
    """Print the answer of the child that asks, within `deadline_s` seconds and a little."""
    lines, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(lines)
        os.setsid()
        try:
            _ask(write_end)
        finally:
            os._exit(0)
    os.close(write_end)
    text = _read(lines, time.monotonic() + deadline_s)
    os.kill(pid, signal.SIGKILL)
    os.write(1, json.dumps(_assemble(text)).encode() + b"\n")
    os._exit(0)


def _read(lines: int, end: float) -> bytes:
    text = bytearray()
    poll = select.poll()
    poll.register(lines, select.POLLIN)
    while len(text) < LIMIT_BYTES and poll.poll(max(0.0, end - time.monotonic()) * 1000):
        chunk = os.read(lines, 1 << 16)
        if not chunk:
            break
        text += chunk
    return bytes(text)


def _assemble(text: bytes) -> dict[str, Any]:
    """Join the lines: `{"at": call}` before each call, `{"put": [place…, value]}` after it, `{"end": 1}`."""
    found: dict[str, Any] = {"gpus": {}, "hung_in": ""}
    at, ended = "", False
    for line in text.decode(errors="replace").splitlines():
        try:
            said = json.loads(line)
        except ValueError:
            continue  # the last line, cut at the deadline
        at = said.get("at", at)
        ended = ended or "end" in said
        if "put" in said:
            *path, name, value = said["put"]
            place = found
            for step in path:
                place = place.setdefault(step, {})
            place[name] = value
    if not ended:
        found["hung_in"] = at or "loading the NVML library"
    return found


class _Teller:
    """Writes lines and turns NVML's refusals into values."""

    def __init__(self, out: int, error: type[Exception]) -> None:
        self._out, self._error = out, error

    def say(self, **line: Any) -> None:
        os.write(self._out, json.dumps(line).encode() + b"\n")

    def ask(self, call: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
        """Return {"v": value} or {"e": error code}."""
        self.say(at=call.__name__)
        try:
            value = call(*arguments)
        except self._error as error:
            return {"e": getattr(error, "value", 999)}
        return {"v": value.decode(errors="replace") if isinstance(value, bytes) else value}


def _ask(out: int) -> None:
    import pynvml as nvml  # noqa: TID251 - the one place that calls NVML

    teller = _Teller(out, nvml.NVMLError)
    teller.say(at="nvmlInit")
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        teller.say(put=["failure", {"code": error.value, "text": str(error)}])
        teller.say(end=1)
        return
    for name, call in (("driver_version", nvml.nvmlSystemGetDriverVersion),
                       ("cuda_version", nvml.nvmlSystemGetCudaDriverVersion_v2), ("count", nvml.nvmlDeviceGetCount)):
        teller.say(put=[name, teller.ask(call)])
    count = teller.ask(nvml.nvmlDeviceGetCount).get("v", 0)
    for index in range(count):
        _ask_device(nvml, teller, index)
    teller.say(at="nvmlShutdown")
    nvml.nvmlShutdown()
    teller.say(end=1)


def _ask_device(nvml: Any, teller: _Teller, index: int) -> None:
    teller.say(at="nvmlDeviceGetHandleByIndex")
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
    except nvml.NVMLError as error:
        teller.say(put=["gpus", str(index), "handle", {"e": error.value}])
        return
    for name, call, arguments in _questions(nvml, handle):
        teller.say(put=["gpus", str(index), name, teller.ask(call, *arguments)])
    for name, value in _ask_fields(nvml, teller, handle).items():
        teller.say(put=["gpus", str(index), name, value])


def _questions(nvml: Any, handle: Any) -> list[tuple[str, Callable[..., Any], tuple[Any, ...]]]:
    """Return (reading, call, arguments). Structures become plain lists in the order that nvml.h gives."""

    def fields(call: Callable[..., Any], *names: str) -> Callable[..., Any]:
        def read(*arguments: Any) -> list[int]:
            answer = call(*arguments)
            return [getattr(answer, name) for name in names]

        read.__name__ = call.__name__
        return read

    def processes(call: Callable[..., Any]) -> Callable[..., Any]:
        def read(device: Any) -> list[list[int | None]]:
            return [[seen.pid, seen.usedGpuMemory] for seen in call(device)]

        read.__name__ = call.__name__
        return read

    def temperature(device: Any) -> int:
        return int(nvml.nvmlDeviceGetTemperature(device, 0))

    def address(device: Any) -> str:
        seen = nvml.nvmlDeviceGetPciInfo(device)
        text = seen.busId.decode() if isinstance(seen.busId, bytes) else str(seen.busId)
        return text.lower()[4:] if text.startswith("0000") and len(text) > 12 else text.lower()

    temperature.__name__, address.__name__ = "nvmlDeviceGetTemperature", "nvmlDeviceGetPciInfo"
    one = [
        ("name", nvml.nvmlDeviceGetName), ("uuid", nvml.nvmlDeviceGetUUID), ("address", address),
        ("serial", nvml.nvmlDeviceGetSerial), ("vbios", nvml.nvmlDeviceGetVbiosVersion),
        ("architecture", nvml.nvmlDeviceGetArchitecture),
        ("compute_capability", nvml.nvmlDeviceGetCudaComputeCapability),
        ("memory_bytes", fields(nvml.nvmlDeviceGetMemoryInfo, "total", "free", "used")),
        ("bar1_bytes", fields(nvml.nvmlDeviceGetBAR1MemoryInfo, "bar1Total", "bar1Free", "bar1Used")),
        ("utilization_percent", fields(nvml.nvmlDeviceGetUtilizationRates, "gpu", "memory")),
        ("temperature_c", temperature), ("margin_c", nvml.nvmlDeviceGetMarginTemperature),
        ("power_mw", nvml.nvmlDeviceGetPowerUsage), ("power_limit_mw", nvml.nvmlDeviceGetEnforcedPowerLimit),
        ("power_default_mw", nvml.nvmlDeviceGetPowerManagementDefaultLimit),
        ("power_constraints_mw", nvml.nvmlDeviceGetPowerManagementLimitConstraints),
        ("energy_mj", nvml.nvmlDeviceGetTotalEnergyConsumption), ("fan_percent", nvml.nvmlDeviceGetFanSpeed),
        ("fan_rpm", nvml.nvmlDeviceGetFanSpeedRPM),
        ("persistence", nvml.nvmlDeviceGetPersistenceMode), ("compute_mode", nvml.nvmlDeviceGetComputeMode),
        ("mig", nvml.nvmlDeviceGetMigMode), ("pstate", nvml.nvmlDeviceGetPerformanceState),
        ("event_reasons", nvml.nvmlDeviceGetCurrentClocksEventReasons),
        ("pcie_generation", nvml.nvmlDeviceGetCurrPcieLinkGeneration),
        ("pcie_width", nvml.nvmlDeviceGetCurrPcieLinkWidth),
        ("pcie_max_generation", nvml.nvmlDeviceGetMaxPcieLinkGeneration),
        ("pcie_max_width", nvml.nvmlDeviceGetMaxPcieLinkWidth),
        ("pcie_replays", nvml.nvmlDeviceGetPcieReplayCounter),
        ("ecc", nvml.nvmlDeviceGetEccMode), ("remapped_rows", nvml.nvmlDeviceGetRemappedRows),
        ("retired_pending", nvml.nvmlDeviceGetRetiredPagesPendingStatus),
        ("compute_processes", processes(nvml.nvmlDeviceGetComputeRunningProcesses)),
        ("graphics_processes", processes(nvml.nvmlDeviceGetGraphicsRunningProcesses)),
    ]
    asked: list[tuple[str, Callable[..., Any], tuple[Any, ...]]] = [(name, call, (handle,)) for name, call in one]
    asked += [(f"clock_{name}_mhz", nvml.nvmlDeviceGetClockInfo, (handle, kind)) for name, kind in CLOCKS.items()]
    asked += [(f"clock_{name}_max_mhz", nvml.nvmlDeviceGetMaxClockInfo, (handle, kind))
              for name, kind in CLOCKS.items()]
    asked += [(f"threshold_{name}_c", nvml.nvmlDeviceGetTemperatureThreshold, (handle, kind))
              for name, kind in THRESHOLDS.items()]
    asked += [(f"ecc_{name}", nvml.nvmlDeviceGetTotalEccErrors, (handle, kind, counter))
              for name, kind, counter in (("corrected_volatile", 0, 0), ("uncorrected_volatile", 1, 0),
                                          ("corrected_aggregate", 0, 1), ("uncorrected_aggregate", 1, 1))]
    asked += [(f"retired_pages_{name}", nvml.nvmlDeviceGetRetiredPages, (handle, cause))
              for name, cause in (("single_bit", 0), ("double_bit", 1))]
    asked += [(f"nvlink_{link}", nvml.nvmlDeviceGetNvLinkState, (handle, link)) for link in range(18)]
    return asked


def _ask_fields(nvml: Any, teller: _Teller, handle: Any) -> dict[str, dict[str, Any]]:
    """Return the readings that only exist as field values, each with its own error code."""
    answer = teller.ask(nvml.nvmlDeviceGetFieldValues, handle, list(FIELDS.values()))
    if "e" in answer:
        return dict.fromkeys(FIELDS, answer)
    members = {0: "dVal", 1: "uiVal", 2: "ulVal", 3: "ullVal", 4: "sllVal", 5: "siVal", 6: "usVal"}
    found: dict[str, dict[str, Any]] = {}
    for name, value in zip(FIELDS, answer["v"], strict=True):
        if value.nvmlReturn:
            found[name] = {"e": value.nvmlReturn}
        else:
            found[name] = {"v": getattr(value.value, members.get(value.valueType, "ullVal"))}
    return found


if __name__ == "__main__":
    main(float(sys.argv[1]))
