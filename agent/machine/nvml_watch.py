"""Asks NVML for what changes, again and again, one JSON line a look. `python -m agent.machine.nvml_watch SECONDS`.

Starting NVML costs far more than asking it, so one process stays. It may block in a sick driver for ever: who reads
the lines notices that none comes. It ends when nobody reads any more.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from agent.machine import nvml_probe as probe

# Asked at every look; everything else only at each SELDOM-th.
OFTEN = frozenset((
    "name", "uuid", "address", "utilization_percent", "temperature_c", "margin_c", "power_mw", "power_limit_mw",
    "clock_sm_mhz", "clock_sm_max_mhz", "pstate", "compute_processes", "graphics_processes",
))
SELDOM = 30
NO_LIBRARY = 12


class _Silent(probe._Teller):
    """Turns refusals into values and tells nobody which call it is at."""

    def say(self, **line: Any) -> None:
        return


def main(every_s: float) -> None:
    """Print a look every `every_s` seconds. A failure of NVML is a look too; without its library it is tried again,
    else it is the last one: each try may disturb a sick driver, and who reads decides when to begin anew.
    """
    if stuck := probe.find_stuck():
        _tell({"gpus": {}, "hung_in": f"an earlier call: process {stuck} still waits in the driver"})
        return
    nvml: Any = None
    number = 0
    told: dict[str, Any] = {}
    while True:
        began = time.monotonic()
        if nvml is None:
            found, nvml = _begin()
        if nvml is not None:
            if number % SELDOM == 0:
                told = {}
            found = _look(nvml, told)
            number += 1
        _tell(found)
        if nvml is None and found.get("failure", {}).get("code") != NO_LIBRARY:
            return
        time.sleep(max(0.05, every_s - (time.monotonic() - began)))


def _tell(found: dict[str, Any]) -> None:
    line = memoryview(json.dumps(found, separators=(",", ":")).encode() + b"\n")
    while line:
        line = line[os.write(1, line):]


def _begin() -> tuple[dict[str, Any], Any]:
    """Return a look that says why NVML does not come up, or NVML."""
    nvml = probe._load()
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        return {"gpus": {}, "failure": {"code": error.value, "text": str(error)}}, None
    return {}, nvml


def _look(nvml: Any, told: dict[str, Any]) -> dict[str, Any]:
    """Return one look in the form of nvml_probe; `told` keeps what is asked seldom."""
    teller = _Silent(1, nvml.NVMLError)
    if not told:
        told |= {"driver_version": teller.ask(nvml.nvmlSystemGetDriverVersion),
                 "cuda_version": teller.ask(nvml.nvmlSystemGetCudaDriverVersion_v2), "gpus": {}}
    count = teller.ask(nvml.nvmlDeviceGetCount)
    gpus = {str(index): _card(nvml, teller, index, told["gpus"].setdefault(index, {}))
            for index in range(count.get("v", 0))}
    return {"driver_version": told["driver_version"], "cuda_version": told["cuda_version"], "count": count,
            "gpus": gpus}


def _card(nvml: Any, teller: _Silent, index: int, told: dict[str, Any]) -> dict[str, Any]:
    answer = teller.ask(nvml.nvmlDeviceGetHandleByIndex, index)
    if "e" in answer:
        return {"handle": answer}
    handle, whole = answer["v"], not told
    for name, call, arguments in probe._questions(nvml, handle):
        if whole or name in OFTEN:
            told[name] = teller.ask(call, *arguments)
    told["memory_bytes"] = probe._ask_memory(nvml, teller, handle)
    told["event_reasons"] = teller.ask_either(nvml.nvmlDeviceGetCurrentClocksEventReasons,
                                              nvml.nvmlDeviceGetCurrentClocksThrottleReasons, handle)
    if whole:
        told |= probe._ask_fields(nvml, teller, handle)
    return told


if __name__ == "__main__":
    try:
        main(float(sys.argv[1]))
    except (BrokenPipeError, KeyboardInterrupt):
        os._exit(0)
