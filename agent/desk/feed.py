"""The GPUs once a second: the lines of agent/machine/nvml_watch.py made into samples."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.desk.values import LiveCard, Sample
from agent.machine.gpu import gpu_memory, parse_view
from agent.model.errors import Unobservable
from agent.model.gpu import Unread
from checks.gpu.throttle import BENIGN, FAULTS, HW_SLOWDOWN, SW_THERMAL

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.gpu import Gpu, GpuMemory, GpuView, Reading

WATCH = ("-m", "agent.machine.nvml_watch")
SILENT_AFTER_S = 5.0
REASONS = (*((bit, short) for bit, _, short in FAULTS), (SW_THERMAL, "at its highest temperature (driver)"),
           (HW_SLOWDOWN, "hardware slowdown"), *BENIGN)


def sample_of(document: dict[str, Any], machine: Machine, *, names: bool = True) -> Sample:
    """Return the sample in one look; `names`: the processes are of this host and can be looked up."""
    try:
        view = parse_view(json.dumps(document))
    except Unobservable as error:
        return Sample(trouble=error.message)
    return sample_of_view(view, machine, names=names)


def sample_of_view(view: GpuView, machine: Machine, *, names: bool) -> Sample:
    """Return the sample in NVML's view."""
    trouble = view.failure
    if view.hung_in or view.died_in:
        trouble = f"NVML does not return from {view.hung_in}" if view.hung_in else f"NVML dies in {view.died_in}"
    cards = tuple(LiveCard(gpu, _memory(gpu, machine), words(gpu), _processes(gpu, names=names))
                  for gpu in view.gpus)
    return Sample(cards, view.driver_version, view.cuda_version, trouble, available_bytes(machine))


def available_bytes(machine: Machine) -> int:
    """Return MemAvailable, 0 when it cannot be read."""
    try:
        found = re.search(r"^MemAvailable:\s+(\d+) kB", machine.read("/proc/meminfo"), re.MULTILINE)
    except Unobservable:
        return 0
    return int(found[1]) << 10 if found else 0


def words(gpu: Gpu) -> tuple[str, ...]:
    """Return what holds a GPU's clocks now, in words; faults first, idle only alone."""
    bits = gpu.number("event_reasons")
    if not isinstance(bits, int):
        return ()
    return tuple(text for bit, text in REASONS if bits & bit)


def _memory(gpu: Gpu, machine: Machine) -> Reading[GpuMemory]:
    try:
        return gpu_memory(gpu, machine)
    except Unobservable as error:
        return Unread(error.message)


def _processes(gpu: Gpu, *, names: bool) -> tuple[tuple[int, str, int | None], ...]:
    found: dict[int, int | None] = {}
    for kind in ("compute_processes", "graphics_processes"):
        seen = gpu.reading(kind)
        for pid, size in seen if isinstance(seen, list) else ():
            found[pid] = max(found.get(pid) or 0, size or 0) or None
    return tuple((pid, _name(pid) if names else "not told", size) for pid, size in found.items())


def _name(pid: int) -> str:
    try:
        text = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        return text or Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "not visible from here"
