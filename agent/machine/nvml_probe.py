"""Asks NVML everything once and prints one JSON object. Runs alone, as a child: `python nvml_probe.py [SECONDS]`.

A sick driver blocks its caller in a state no signal ends, so the process that is waited for never touches NVML:
it forks one that does, reads its lines until the deadline and then answers with what came, naming the call that
did not return. The other is killed and left behind; while it lives, no second one is sent after it.

Tests and the demo name a stand-in library in FIRSTLIGHT_NVML_LIBRARY; nothing else sets it.
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import select
import signal
import sys
import time

TYPE_CHECKING = False  # typing itself is a tenth of what this program costs
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Question = tuple[str, Callable[..., Any], tuple[Any, ...]]

# Long enough for eight cards that initialise one after the other because persistence mode is off.
DEADLINE_S = 6.0
GRACE_S = 0.2
LIMIT_BYTES = 3 << 20
CLOCKS = {"graphics": 0, "sm": 1, "memory": 2}
THRESHOLDS = {"shutdown": 0, "slowdown": 1, "memory_max": 2, "gpu_max": 3}
FIELDS = {
    "memory_temperature_c": 82, "shutdown_margin_c": 193, "slowdown_margin_c": 194, "memory_max_margin_c": 195,
    "gpu_max_margin_c": 196, "recovery_action": 230,
    "sw_thermal_us": 269, "hw_thermal_us": 270, "power_brake_us": 271,
}
NVLINKS = 18
FUNCTION_NOT_FOUND, OTHER_ERROR = 13, 999
# A first look that deserves a second: software and hardware slowdowns, heat, or full load.
SUSPICIOUS_REASONS, HOT_C, LITTLE_MARGIN_C, BUSY_PERCENT = 0xE8, 80, 5, 90
SAMPLES, SAMPLE_EVERY_S = 4, 0.12
PR_SET_PDEATHSIG = 1


def _die_with(parent: int) -> None:
    """Let the kernel end this process with its parent: one that hangs would outlive a parent that was killed."""
    import ctypes  # pynvml brings it anyway

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def main(deadline_s: float) -> None:
    """Print the answer of the child that asks, within `deadline_s` seconds and a little."""
    stuck = find_stuck()
    if stuck:
        answer = {"gpus": {}, "died_in": "", "hung_in": f"an earlier call: process {stuck} still waits in the driver"}
        os.write(1, json.dumps(answer).encode() + b"\n")
        return
    lines, write_end = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        os.close(lines)
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        try:
            _die_with(parent)
            _lock(fcntl.LOCK_SH)  # until this process is gone
            _ask(write_end)
        finally:
            os._exit(0)
    os.close(write_end)
    text, closed = _read(lines, time.monotonic() + deadline_s)
    os.kill(pid, signal.SIGKILL)
    _reap(pid)
    os.write(1, json.dumps(_assemble(text, died=closed)).encode() + b"\n")
    os._exit(0)


def _lock(kind: int) -> int | None:
    """Lock this file and return its descriptor, None when another process holds it otherwise."""
    fd = os.open(__file__, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    return fd


def find_stuck() -> int | None:
    """Return the process of an earlier visit that cannot end, None without one.

    A lock tells cheaply that nobody is there; only when somebody is, /proc tells who of them cannot be woken.
    """
    fd = _lock(fcntl.LOCK_EX)
    if fd is not None:
        os.close(fd)
        return None
    names = os.listdir("/proc")  # noqa: PTH208 - thousands of names
    return next((int(name) for name in names if name.isdigit() and _is_stuck(name)), None)


def _is_stuck(pid: str) -> bool:
    """Return whether a process runs this program, was told to end and sleeps where no signal reaches it."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123 - pathlib costs its import
            if __file__.encode() not in file.read().split(b"\0"):
                return False
        with open(f"/proc/{pid}/status", "rb") as file:  # noqa: PTH123 - pathlib costs its import
            status = dict(line.partition(b":")[::2] for line in file.read().splitlines())
    except OSError:
        return False
    pending = int(status.get(b"ShdPnd", b"0"), 16) | int(status.get(b"SigPnd", b"0"), 16)
    return status.get(b"State", b"").strip().startswith(b"D") and bool(pending >> (signal.SIGKILL - 1) & 1)


def _reap(pid: int) -> None:
    """Reap the child if it can die; one that is stuck in the driver is left to init."""
    end = time.monotonic() + GRACE_S
    while os.waitpid(pid, os.WNOHANG)[0] == 0 and time.monotonic() < end:
        time.sleep(0.005)


def _read(lines: int, end: float) -> tuple[bytes, bool]:
    """Return what was written until `end` on the monotonic clock, and whether the writer closed its end."""
    text = bytearray()
    poll = select.poll()
    poll.register(lines, select.POLLIN)
    while len(text) < LIMIT_BYTES and poll.poll(max(0.0, end - time.monotonic()) * 1000):
        chunk = os.read(lines, 1 << 16)
        if not chunk:
            return bytes(text), True
        text += chunk
    return bytes(text), False


def _assemble(text: bytes, *, died: bool) -> dict[str, Any]:
    """Join the lines: `{"at": call}` before each call, `{"put": [place…, value]}` after it, `{"end": 1}`."""
    found: dict[str, Any] = {"gpus": {}, "hung_in": "", "died_in": ""}
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
        found["died_in" if died else "hung_in"] = at or "loading the NVML library"
    return found


class _Teller:
    """Writes lines and turns NVML's refusals into values. `place` is said with the name of each call."""

    def __init__(self, out: int, error: type[Exception]) -> None:
        self._out, self._error = out, error
        self.place = ""

    def say(self, **line: Any) -> None:
        text = json.dumps(line).encode() + b"\n"
        while text:
            text = text[os.write(self._out, text):]

    def ask(self, call: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
        """Return {"v": value} or {"e": error code}."""
        self.say(at=call.__name__ + self.place)
        try:
            value = call(*arguments)
        except self._error as error:
            return {"e": getattr(error, "value", OTHER_ERROR)}
        except ValueError:  # pynvml cannot decode what it was given
            return {"e": OTHER_ERROR}
        return {"v": value.decode(errors="replace") if isinstance(value, bytes) else value}

    def ask_either(self, call: Callable[..., Any], older: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
        """Ask `older` when the library does not know `call`, as drivers before it do not."""
        answer = self.ask(call, *arguments)
        return self.ask(older, *arguments) if answer.get("e") == FUNCTION_NOT_FOUND else answer


def _load() -> Any:
    """Return the module pynvml, over the stand-in library when one is named: the second dlopen finds the first."""
    library = os.environ.get("FIRSTLIGHT_NVML_LIBRARY")
    if library:
        import ctypes

        ctypes.CDLL(library)
    import pynvml  # noqa: TID251 - the one place that calls NVML

    return pynvml


def _ask(out: int) -> None:
    nvml = _load()
    teller = _Teller(out, nvml.NVMLError)
    teller.say(at="nvmlInit")
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        teller.say(put=["failure", {"code": error.value, "text": str(error)}])
        teller.say(end=1)
        return
    for name, call in (("driver_version", nvml.nvmlSystemGetDriverVersion),
                       ("cuda_version", nvml.nvmlSystemGetCudaDriverVersion_v2)):
        teller.say(put=[name, teller.ask(call)])
    count = teller.ask(nvml.nvmlDeviceGetCount)
    teller.say(put=["count", count])
    suspicious = {index: handle for index in range(count.get("v", 0))
                  if (handle := _ask_device(nvml, teller, index)) is not None}
    _ask_again(nvml, teller, suspicious)
    teller.place = ""
    teller.say(at="nvmlShutdown")
    nvml.nvmlShutdown()
    teller.say(end=1)


def _ask_device(nvml: Any, teller: _Teller, index: int) -> Any:
    """Ask one card everything; returns its handle when what it said deserves a second look, else None."""
    teller.place = f" of GPU {index}"
    answer = teller.ask(nvml.nvmlDeviceGetHandleByIndex, index)
    if "e" in answer:
        teller.say(put=["gpus", str(index), "handle", answer])
        return None
    handle, found = answer["v"], {}
    for name, call, arguments in _questions(nvml, handle):
        found[name] = teller.ask(call, *arguments)
        teller.say(put=["gpus", str(index), name, found[name]])
    found["memory_bytes"] = _ask_memory(nvml, teller, handle)
    found["event_reasons"] = teller.ask_either(nvml.nvmlDeviceGetCurrentClocksEventReasons,
                                               nvml.nvmlDeviceGetCurrentClocksThrottleReasons, handle)
    found |= _ask_fields(nvml, teller, handle)
    if found["mig"].get("v", [0])[0] == 1:
        found["mig_devices"] = {"v": _ask_slices(nvml, teller, handle)}
    for name in ("memory_bytes", "event_reasons", "mig_devices", *FIELDS):
        if name in found:
            teller.say(put=["gpus", str(index), name, found[name]])
    return handle if _is_suspicious(found) else None


def _is_suspicious(found: dict[str, dict[str, Any]]) -> bool:
    return (bool(found["event_reasons"].get("v", 0) & SUSPICIOUS_REASONS)
            or found["temperature_c"].get("v", 0) >= HOT_C
            or found["margin_c"].get("v", HOT_C) <= LITTLE_MARGIN_C
            or found["utilization_percent"].get("v", [0])[0] >= BUSY_PERCENT)


def _ask_again(nvml: Any, teller: _Teller, handles: dict[int, Any]) -> None:
    """Repeat what changes fast, so that one moment is not taken for a state."""
    told: dict[int, list[dict[str, Any]]] = {index: [] for index in handles}
    for _ in range(SAMPLES if handles else 0):
        time.sleep(SAMPLE_EVERY_S)
        for index, handle in handles.items():
            teller.place = f" of GPU {index}"
            load = teller.ask(nvml.nvmlDeviceGetUtilizationRates, handle).get("v")
            told[index].append({
                "event_reasons": teller.ask_either(nvml.nvmlDeviceGetCurrentClocksEventReasons,
                                                   nvml.nvmlDeviceGetCurrentClocksThrottleReasons, handle).get("v"),
                "temperature_c": teller.ask(nvml.nvmlDeviceGetTemperature, handle, 0).get("v"),
                "margin_c": teller.ask(nvml.nvmlDeviceGetMarginTemperature, handle).get("v"),
                "clock_sm_mhz": teller.ask(nvml.nvmlDeviceGetClockInfo, handle, CLOCKS["sm"]).get("v"),
                "pcie_generation": teller.ask(nvml.nvmlDeviceGetCurrPcieLinkGeneration, handle).get("v"),
                "pstate": teller.ask(nvml.nvmlDeviceGetPerformanceState, handle).get("v"),
                "power_mw": teller.ask(nvml.nvmlDeviceGetPowerUsage, handle).get("v"),
                "gpu_percent": None if load is None else load.gpu,
            })
    for index, samples in told.items():
        teller.say(put=["gpus", str(index), "samples", {"v": samples}])


def _fields(call: Callable[..., Any], *names: str) -> Callable[..., Any]:
    """Return `call` with its structure as a plain list, in the order that nvml.h gives."""

    def read(*arguments: Any) -> list[int]:
        answer = call(*arguments)
        return [getattr(answer, name) for name in names]

    read.__name__ = call.__name__
    return read


def _processes(call: Callable[..., Any]) -> Callable[..., Any]:
    def read(device: Any) -> list[list[int | None]]:
        return [[seen.pid, seen.usedGpuMemory] for seen in call(device)]

    read.__name__ = call.__name__
    return read


def _address(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return `call` with its PCI address as sysfs writes it: `0000000F:01:00.0` is `000f:01:00.0`."""

    def read(device: Any) -> str:
        seen = call(device).busId
        domain, _, rest = (seen.decode() if isinstance(seen, bytes) else str(seen)).lower().partition(":")
        return f"{int(domain, 16):04x}:{rest}"

    read.__name__ = call.__name__
    return read


def _questions(nvml: Any, handle: Any) -> list[Question]:
    """Return (reading, call, arguments)."""
    one = [
        ("name", nvml.nvmlDeviceGetName), ("uuid", nvml.nvmlDeviceGetUUID),
        ("address", _address(nvml.nvmlDeviceGetPciInfo)),
        ("serial", nvml.nvmlDeviceGetSerial), ("vbios", nvml.nvmlDeviceGetVbiosVersion),
        ("architecture", nvml.nvmlDeviceGetArchitecture),
        ("compute_capability", nvml.nvmlDeviceGetCudaComputeCapability),
        ("bar1_bytes", _fields(nvml.nvmlDeviceGetBAR1MemoryInfo, "bar1Total", "bar1Free", "bar1Used")),
        ("utilization_percent", _fields(nvml.nvmlDeviceGetUtilizationRates, "gpu", "memory")),
        ("margin_c", nvml.nvmlDeviceGetMarginTemperature),
        ("power_mw", nvml.nvmlDeviceGetPowerUsage), ("power_limit_mw", nvml.nvmlDeviceGetEnforcedPowerLimit),
        ("power_default_mw", nvml.nvmlDeviceGetPowerManagementDefaultLimit),
        ("power_constraints_mw", nvml.nvmlDeviceGetPowerManagementLimitConstraints),
        ("energy_mj", nvml.nvmlDeviceGetTotalEnergyConsumption), ("fan_percent", nvml.nvmlDeviceGetFanSpeed),
        ("fan_rpm", nvml.nvmlDeviceGetFanSpeedRPM),
        ("persistence", nvml.nvmlDeviceGetPersistenceMode), ("compute_mode", nvml.nvmlDeviceGetComputeMode),
        ("mig", nvml.nvmlDeviceGetMigMode), ("pstate", nvml.nvmlDeviceGetPerformanceState),
        ("pcie_generation", nvml.nvmlDeviceGetCurrPcieLinkGeneration),
        ("pcie_width", nvml.nvmlDeviceGetCurrPcieLinkWidth),
        ("pcie_max_generation", nvml.nvmlDeviceGetMaxPcieLinkGeneration),
        ("pcie_max_width", nvml.nvmlDeviceGetMaxPcieLinkWidth),
        ("pcie_replays", nvml.nvmlDeviceGetPcieReplayCounter),
        ("ecc", nvml.nvmlDeviceGetEccMode), ("remapped_rows", nvml.nvmlDeviceGetRemappedRows),
        ("retired_pending", nvml.nvmlDeviceGetRetiredPagesPendingStatus),
        ("compute_processes", _processes(nvml.nvmlDeviceGetComputeRunningProcesses)),
        ("graphics_processes", _processes(nvml.nvmlDeviceGetGraphicsRunningProcesses)),
    ]
    return [(name, call, (handle,)) for name, call in one] + _indexed_questions(nvml, handle)


def _indexed_questions(nvml: Any, handle: Any) -> list[Question]:
    asked: list[Question] = [("temperature_c", nvml.nvmlDeviceGetTemperature, (handle, 0))]
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
    asked += [(f"nvlink_{link}", nvml.nvmlDeviceGetNvLinkState, (handle, link)) for link in range(NVLINKS)]
    return asked


def _ask_memory(nvml: Any, teller: _Teller, handle: Any) -> dict[str, Any]:
    """Return total, free and used bytes; a driver without version 2 counts its reserve as used."""
    read = _fields(nvml.nvmlDeviceGetMemoryInfo, "total", "free", "used")
    answer = teller.ask(read, handle, nvml.nvmlMemory_v2)
    return teller.ask(read, handle) if "e" in answer else answer


def _ask_slices(nvml: Any, teller: _Teller, handle: Any) -> list[list[Any]]:
    """Return (UUID, name, bytes) of each MIG slice; None for what it would not say."""
    found = []
    for index in range(teller.ask(nvml.nvmlDeviceGetMaxMigDeviceCount, handle).get("v", 0)):
        piece = teller.ask(nvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, index).get("v")
        if piece is not None:
            memory = _ask_memory(nvml, teller, piece).get("v", [None])
            found.append([teller.ask(nvml.nvmlDeviceGetUUID, piece).get("v"),
                          teller.ask(nvml.nvmlDeviceGetName, piece).get("v"), memory[0]])
    return found


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
    gc.disable()  # it ends at once; pynvml alone makes 10,000 objects
    main(float(sys.argv[1]) if len(sys.argv) > 1 else DEADLINE_S)
