"""The GPUs: what NVML says through a child process with a deadline, and what the PCI bus says beside it."""

from __future__ import annotations

import functools
import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.machine import pci
from agent.model.errors import Unobservable
from agent.model.gpu import Gpu, GpuMemory, GpuView, NotSupported, Reading, Unread

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.hardware import PciGpu

PROBE = ("firstlight-nvml",)  # started by agent/machine/process.py; its own deadline is 6 s
TIMEOUT_S = 8.0

NO_PERMISSION, DRIVER_NOT_LOADED, NO_LIBRARY, LOST, RESET_REQUIRED, BLOCKED, MISMATCH, UNKNOWN = (
    4, 9, 12, 15, 16, 17, 18, 999)
_INVALID, _NOT_SUPPORTED, _NO_FUNCTION = 2, 3, 13
ERRORS = {
    1: "NVML is not initialised", 2: "invalid argument", 4: "no permission", 6: "not found",
    9: "the NVIDIA driver is not loaded", 10: "NVML timed out", 12: "there is no libnvidia-ml.so.1",
    13: "this driver does not know the question", 14: "the card's infoROM is corrupted",
    15: "the GPU is lost: it no longer answers on the bus", 16: "the GPU needs a reset",
    17: "the operating system blocks access to the GPU",
    18: "the loaded driver and the NVML library are of different versions",
    19: "in use by another client", 20: "out of memory", 27: "the GPU is not ready yet",
    999: "an unknown error",
}
# GPUs that share the host's memory. A refused memory question on any other card is unknown, never host memory.
INTEGRATED = re.compile(r"\b(GB10|Thor|Orin|N1X)\b", re.IGNORECASE)
_NEAR = 0.10  # share of MemTotal within which a reported total is the host's memory
# Readings whose "invalid argument" means that there is no such link or field.
_OPEN_ENDED = re.compile(r"nvlink_\d+|recovery_action|\w+_margin_c|memory_temperature_c|\w+_us")


class Cards(NamedTuple):
    """The cards on the PCI bus and NVML's view of them; None where nothing is NVIDIA's and NVML was not asked."""

    pci: tuple[PciGpu, ...]
    view: GpuView | None


def observe_cards(machine: Machine) -> Cards:
    """Return the cards; NVML is asked only when the PCI bus, a loaded driver or WSL promises one."""
    on_bus = pci.observe_gpus(machine)
    promised = on_bus or any(machine.exists(path) for path in ("/sys/module/nvidia", "/dev/dxg"))
    return Cards(on_bus, observe_gpus(machine) if promised else None)


def observe_gpus(machine: Machine) -> GpuView:
    """Return everything NVML says; its failures are values. Raises Unobservable when the probe itself fails."""
    return parse_view(machine.run(PROBE, timeout_s=TIMEOUT_S).out)


@functools.lru_cache(maxsize=4)
def parse_view(text: str) -> GpuView:
    """Return the view in the probe's JSON; raises Unobservable when it is damaged. Every check asks: remembered."""
    try:
        said = json.loads(text)
        failure = said.get("failure") or {}
        code = int(failure.get("code", 0))
        hung, died = str(said.get("hung_in", "")), str(said.get("died_in", ""))
        silence = f"NVML did not return from {hung}" if hung else f"the NVML library crashed in {died}" if died else ""
        driver = str((said.get("driver_version") or {}).get("v", ""))
        told = {int(index): seen for index, seen in said["gpus"].items()}
        count = (said.get("count") or {}).get("v", len(told))
        gpus = tuple(_gpu(index, told.get(index, {}), driver, silence) for index in range(max(count, len(told))))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Unobservable(f"{PROBE[0]}: damaged answer: {type(error).__name__}: {error}") from error
    return GpuView(driver, _cuda((said.get("cuda_version") or {}).get("v")), gpus,
                   _explained(code, failure.get("text", "")) if failure else "", code, hung, died)


def _explained(code: int, text: str = "") -> str:
    return f"{ERRORS.get(code, text or 'an unknown error')} (NVML error {code})"


def _cuda(version: int | None) -> str:
    """Return `13.0` for 13000; empty when untold."""
    return f"{version // 1000}.{version % 1000 // 10}" if version else ""


def _gpu(index: int, seen: dict[str, Any], driver: str, silence: str) -> Gpu:
    readings = {name: _reading(name, answer, driver) for name, answer in seen.items() if name != "handle"}
    codes = {answer.get("e") for answer in seen.values()}
    handle = seen.get("handle", {}).get("e", 0)
    lost = next((code for code in (LOST, RESET_REQUIRED) if code in codes), handle)

    def told(name: str) -> str:
        value = readings.get(name)
        return value if isinstance(value, str) else ""

    return Gpu(index, told("uuid"), told("name"), told("address"), readings, _explained(lost) if lost else "",
               lost, silence)


def _reading(name: str, answer: dict[str, Any], driver: str) -> Reading[object]:
    code = answer.get("e")
    if code is None:
        return _plausible(name, answer["v"])
    if code == _NOT_SUPPORTED or (code == _INVALID and _OPEN_ENDED.fullmatch(name)):
        return NotSupported()
    if code == _NO_FUNCTION:
        return NotSupported(f"driver {driver or 'of this machine'} is too old to be asked")
    return Unread(_explained(code))


def _plausible(name: str, value: object) -> Reading[object]:
    """Return a value, or NotSupported for one that stands for "none": see gpu_behaviour, GB10 and GeForce."""
    if name == "memory_temperature_c" and value == 0:
        return NotSupported("the device reports 0 °C, which stands for no sensor")
    return value


def is_integrated(gpu: Gpu) -> bool:
    """Return whether this GPU is known to share the host's memory."""
    return bool(INTEGRATED.search(gpu.name))


def gpu_memory(gpu: Gpu, machine: Machine) -> Reading[GpuMemory]:
    """Return a GPU's memory: its own, or the host's for an integrated GPU that has none of its own.

    The strict rule: integrated by name *and* memory refused, zero, or within 10 % of MemTotal. Free then is
    MemAvailable, used the sum over GPU processes. Raises Unobservable when /proc/meminfo cannot be read.
    """
    seen = gpu.numbers("memory_bytes", 3)
    if is_integrated(gpu) and not isinstance(seen, Unread):
        total_bytes, available_bytes = _host_memory(machine)
        if isinstance(seen, NotSupported) or seen[0] == 0 or abs(seen[0] - total_bytes) <= _NEAR * total_bytes:
            return GpuMemory(total_bytes, held_bytes(gpu), available_bytes, unified=True)
    if isinstance(seen, Unread):
        return seen
    if isinstance(seen, NotSupported):
        return Unread(f"{gpu.name or 'this GPU'} refuses to tell its memory, and is not known to share the host's")
    if seen[0] == 0:
        return Unread(f"{gpu.name or 'this GPU'} says that it has 0 bytes of memory")
    return GpuMemory(seen[0], seen[2], seen[1], unified=False)


def held_bytes(gpu: Gpu) -> int | None:
    """Return what processes hold on a GPU, each counted once; None when that could not be asked."""
    held: dict[int, int] = {}
    for name in ("compute_processes", "graphics_processes"):
        seen = gpu.reading(name)
        if not isinstance(seen, list):
            return None
        held |= {pid: max(held.get(pid, 0), size or 0) for pid, size in seen}
    return sum(held.values())


def _host_memory(machine: Machine) -> tuple[int, int]:
    """Return MemTotal and MemAvailable in bytes."""
    meminfo = dict(re.findall(r"^(\w+):\s+(\d+) kB", machine.read("/proc/meminfo"), re.MULTILINE))
    try:
        return int(meminfo["MemTotal"]) << 10, int(meminfo["MemAvailable"]) << 10
    except KeyError as error:
        raise Unobservable(f"/proc/meminfo has no line {error}") from error
