"""The cards' readings as samples, in base units. What a card does not have or did not say has no sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.exporter.sampler import unread_count
from agent.machine.gpu import is_integrated

if TYPE_CHECKING:
    from agent.exporter.gathering import Gathering
    from agent.exporter.sampler import Card, Sample
    from agent.model.gpu import Gpu, GpuView

STATES = ("ok", "failed", "hung", "crashed", "unasked")
# Reading, metric, factor to the base unit, labels
PLAIN: tuple[tuple[str, str, float, tuple[str, ...]], ...] = (
    ("temperature_c", "temperature_celsius", 1, ()),
    ("memory_temperature_c", "memory_temperature_celsius", 1, ()),
    ("margin_c", "temperature_margin_celsius", 1, ()),
    *((f"threshold_{limit}_c", "temperature_limit_celsius", 1, (limit,))
      for limit in ("slowdown", "shutdown", "gpu_max", "memory_max")),
    ("power_mw", "power_watts", 1e-3, ()),
    ("power_limit_mw", "power_limit_watts", 1e-3, ()),
    ("power_default_mw", "power_default_limit_watts", 1e-3, ()),
    ("energy_mj", "energy_joules_total", 1e-3, ()),
    *((f"clock_{clock}_mhz", "clock_hertz", 1e6, (clock,)) for clock in ("graphics", "sm", "memory")),
    *((f"clock_{clock}_max_mhz", "clock_max_hertz", 1e6, (clock,)) for clock in ("graphics", "sm", "memory")),
    ("fan_percent", "fan_speed_ratio", 1e-2, ()),
    ("pstate", "performance_state", 1, ()),
    *((f"{reason}_us", "throttle_seconds_total", 1e-6, (reason,))
      for reason in ("sw_thermal", "hw_thermal", "power_brake")),
    *((f"ecc_{error}_{since}", "ecc_errors_total", 1, (error, since))
      for error in ("corrected", "uncorrected") for since in ("volatile", "aggregate")),
    ("recovery_action", "recovery_action", 1, ()),
    ("persistence", "persistence_mode", 1, ()),
)
PCIE = (
    ("pcie_generation", "pcie_link_generation"), ("pcie_width", "pcie_link_width"),
    ("pcie_max_generation", "pcie_link_max_generation"), ("pcie_max_width", "pcie_link_max_width"),
    ("pcie_replays", "pcie_replays_total"),
)
# nvml.h, nvmlClocksEventReasons
REASONS = {
    "idle": 0x1, "user_clocks": 0x2, "sw_power_cap": 0x4, "hw_slowdown": 0x8, "sync_boost": 0x10,
    "sw_thermal": 0x20, "hw_thermal": 0x40, "hw_power_brake": 0x80, "display": 0x100,
}


def add_sample(into: Gathering, sample: Sample, *, stale: bool = False) -> None:
    """Add everything of the last sample but its age; of a stale one only what was counted, and the cards' names."""
    if stale:
        return _add_stale(into, sample)
    into.add("firstlight_reboot_pending", sample.reboot_pending)
    _add_counts(into, sample)
    for state in STATES:
        into.add("firstlight_nvml_state", state == sample.nvml_state, state)
    view = sample.seen.view if sample.seen is not None else None
    if sample.nvml_state != "unasked":
        into.add("firstlight_nvml_up", sample.nvml_state == "ok")
    if sample.seen is not None:
        into.add("firstlight_gpus", len(sample.seen.pci), "pci")
    if view is not None:
        into.add("firstlight_nvml_error_code", view.failure_code)
        if sample.nvml_state == "ok":
            into.add("firstlight_gpus", len(view.gpus), "nvml")
    for card in sample.cards:
        _add_card(into, card, view)


    return None


def _add_counts(into: Gathering, sample: Sample) -> None:
    into.add("firstlight_sample_duration_seconds", round(sample.took_s, 6))
    for result, number in sample.counts.items():
        into.add("firstlight_samples_total", number, result)


def _add_stale(into: Gathering, sample: Sample) -> None:
    _add_counts(into, sample)
    into.add("firstlight_nvml_up", 0 if sample.nvml_state != "unasked" else None)
    for card in sample.cards:
        into.add("firstlight_gpu_up", 0, card.uuid)
        into.add("firstlight_gpu_state", 1, card.uuid, "unasked")


def add_sample_ages(into: Gathering, sample: Sample, now: float) -> None:
    """Add how long ago (monotonic `now`) the cards were sampled and each last answered."""
    into.add("firstlight_sample_age_seconds", round(max(0.0, now - sample.at), 6))
    for card in sample.cards:
        into.add("firstlight_gpu_answer_age_seconds", round(max(0.0, now - card.answered), 6), card.uuid)


def _add_card(into: Gathering, card: Card, view: GpuView | None) -> None:
    into.add("firstlight_gpu_up", card.state == "answering", card.uuid)
    into.add("firstlight_gpu_state", 1, card.uuid, card.state)
    gpu = card.gpu
    if gpu is None:
        return
    into.add("firstlight_gpu_error_code", gpu.lost_code, card.uuid)
    if card.state != "answering" or view is None:
        return
    vbios = gpu.reading("vbios")
    into.add("firstlight_gpu_info", 1, card.uuid, gpu.name, gpu.address, view.driver_version, view.cuda_version,
             vbios if isinstance(vbios, str) else "")
    into.add("firstlight_gpu_unread_readings", unread_count(gpu), card.uuid)
    for reading, metric, factor, labels in PLAIN:
        value = gpu.number(reading)
        if isinstance(value, int):
            into.add(f"firstlight_gpu_{metric}", _exact(value, factor), card.uuid, *labels)
    if not is_integrated(gpu):  # it answers placeholders: generation 1, one lane
        for reading, metric in PCIE:
            value = gpu.number(reading)
            into.add(f"firstlight_gpu_{metric}", value if isinstance(value, int) else None, card.uuid)
    _add_memory(into, card)
    _add_lists(into, gpu, card.uuid)
    _add_faults(into, gpu, card.uuid)


def _exact(value: int, factor: float) -> float:
    """Return value times factor without the tail that binary fractions leave."""
    return value * factor if factor >= 1 else value / round(1 / factor)


def _add_memory(into: Gathering, card: Card) -> None:
    memory = card.memory
    if memory is not None:
        into.add("firstlight_gpu_memory_total_bytes", memory.total_bytes, card.uuid)
        into.add("firstlight_gpu_memory_used_bytes", memory.used_bytes, card.uuid)
        into.add("firstlight_gpu_memory_free_bytes", memory.free_bytes, card.uuid)
        into.add("firstlight_gpu_memory_unified", memory.unified, card.uuid)


def _add_lists(into: Gathering, gpu: Gpu, uuid: str) -> None:
    load = gpu.numbers("utilization_percent", 2)
    if isinstance(load, tuple):
        into.add("firstlight_gpu_utilization_ratio", load[0] / 100, uuid)
        into.add("firstlight_gpu_memory_controller_utilization_ratio", load[1] / 100, uuid)
    reasons = gpu.number("event_reasons")
    if isinstance(reasons, int):
        for reason, bit in REASONS.items():
            into.add("firstlight_gpu_clock_event", bool(reasons & bit), uuid, reason)
    links = [state for number in range(18) if isinstance(state := gpu.number(f"nvlink_{number}"), int)]
    if links:
        into.add("firstlight_gpu_nvlinks", sum(links), uuid, "up")
        into.add("firstlight_gpu_nvlinks", len(links) - sum(links), uuid, "down")
    mig = gpu.numbers("mig")
    if isinstance(mig, tuple) and mig:
        into.add("firstlight_gpu_mig_mode", mig[0], uuid)
        slices = gpu.reading("mig_devices")
        into.add("firstlight_gpu_mig_slices", len(slices) if isinstance(slices, list) else None, uuid)
    working = gpu.reading("compute_processes")
    into.add("firstlight_gpu_processes", len(working) if isinstance(working, list) else None, uuid)


def _add_faults(into: Gathering, gpu: Gpu, uuid: str) -> None:
    ecc = gpu.numbers("ecc")
    if isinstance(ecc, tuple) and ecc:
        into.add("firstlight_gpu_ecc_enabled", ecc[0], uuid)
    rows = gpu.numbers("remapped_rows", 4)
    if isinstance(rows, tuple):
        into.add("firstlight_gpu_remapped_rows", rows[0], uuid, "correctable")
        into.add("firstlight_gpu_remapped_rows", rows[1], uuid, "uncorrectable")
        into.add("firstlight_gpu_row_remap_pending", rows[2], uuid)
        into.add("firstlight_gpu_row_remap_failed", rows[3], uuid)
    for cause in ("single_bit", "double_bit"):
        pages = gpu.reading(f"retired_pages_{cause}")
        into.add("firstlight_gpu_retired_pages", len(pages) if isinstance(pages, list) else None, uuid, cause)
