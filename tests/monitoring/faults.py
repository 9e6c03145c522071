"""For every alert: the series of its fault, and the series of a machine that is just not at fault."""

from __future__ import annotations

from dataclasses import dataclass

TARGET = 'job="firstlight",instance="box:9836"'
CARD = f'{TARGET},uuid="GPU-1"'


@dataclass(frozen=True)
class Case:
    """Series to values, in promtool's notation; `{n}` is the number of repetitions."""

    fault: dict[str, str]
    quiet: dict[str, str]


def gpu(name: str, *labels: str) -> str:
    return f"firstlight_gpu_{name}{{{','.join((CARD, *labels))}}}"


def machine(name: str, *labels: str) -> str:
    return f"firstlight_{name}{{{','.join((TARGET, *labels))}}}"


def one(series: str, fault: float, quiet: float) -> Case:
    return Case({series: f"{fault}x{{n}}"}, {series: f"{quiet}x{{n}}"})


def moved(series: str, fault: str, quiet: str, value: str = "1") -> Case:
    """A series whose labels change: `*` in it stands for the changing one."""
    return Case({series.replace("*", fault): f"{value}x{{n}}"}, {series.replace("*", quiet): f"{value}x{{n}}"})


def steady(values: dict[str, float]) -> dict[str, str]:
    return {series: f"{value}x{{n}}" for series, value in values.items()}


SM, SM_MAX, LOAD = gpu("clock_hertz", 'clock="sm"'), gpu("clock_max_hertz", 'clock="sm"'), gpu("utilization_ratio")
FREE, TOTAL, UNIFIED = gpu("memory_free_bytes"), gpu("memory_total_bytes"), gpu("memory_unified")
DOWN, UP = gpu("nvlinks", 'state="down"'), gpu("nvlinks", 'state="up"')
WIDTH, WIDEST = gpu("pcie_link_width"), gpu("pcie_link_max_width")
PCI, NVML = machine("gpus", 'seen_by="pci"'), machine("gpus", 'seen_by="nvml"')
THROTTLE = gpu("throttle_seconds_total", 'reason="*"')
ERRORS = gpu("ecc_errors_total", 'error="*"', 'since="volatile"')
READABLE, REPORT = machine("history_readable"), machine("report_age_seconds", 'level="quick"')
LOOKED = {against: machine("drift_age_seconds", f'against="{against}"') for against in ("profile", "baseline")}

CASES = {
    "FirstlightGpuHot": one(gpu("temperature_celsius"), 86, 85),
    "FirstlightGpuLost": moved(gpu("state", 'state="*"'), "lost", "answering"),
    "FirstlightGpuVanished": moved(gpu("state", 'state="*"'), "vanished", "answering"),
    "FirstlightGpuMissing": Case(steady({PCI: 8, NVML: 7}), steady({PCI: 8, NVML: 8})),
    "FirstlightNvmlDown": moved(machine("nvml_state", 'state="*"'), "hung", "ok"),
    "FirstlightCardsNotSampled": one(machine("sample_age_seconds"), 301, 60),
    "FirstlightGpuSlowedDown": moved(gpu("clock_event", 'reason="*"'), "hw_thermal", "sw_power_cap"),
    "FirstlightGpuThrottledOften": Case({THROTTLE.replace("*", "hw_thermal"): "0+30x{n}"},
                                        {THROTTLE.replace("*", "hw_thermal"): "0+3x{n}"}),
    "FirstlightGpuClockStuck": Case(steady({SM: 500e6, SM_MAX: 3003e6, LOAD: 0.96}),
                                    steady({SM: 500e6, SM_MAX: 3003e6, LOAD: 0.3})),
    "FirstlightGpuRowRemapPending": one(gpu("row_remap_pending"), 1, 0),
    "FirstlightGpuRowRemapFailed": one(gpu("row_remap_failed"), 1, 0),
    "FirstlightGpuMemoryErrors": Case({ERRORS.replace("*", "uncorrected"): "0 0 0 2x{n}"},
                                      {ERRORS.replace("*", "corrected"): "0 0 0 2x{n}"}),
    "FirstlightGpuPcieNarrow": Case(steady({WIDTH: 8, WIDEST: 16}), steady({WIDTH: 16, WIDEST: 16})),
    "FirstlightGpuNvlinkDown": Case(steady({DOWN: 1, UP: 17}), steady({DOWN: 12, UP: 0})),
    "FirstlightGpuAsksForRecovery": one(gpu("recovery_action"), 2, 0),
    "FirstlightUnifiedMemoryLow": Case(steady({FREE: 4e9, TOTAL: 128e9, UNIFIED: 1}),
                                       steady({FREE: 4e9, TOTAL: 128e9, UNIFIED: 0})),
    "FirstlightCheckFailed": moved(machine("check_verdict", 'check="a.b"', 'subject=""', 'verdict="*"'),
                                   "fail", "warn"),
    "FirstlightCheckUnknown": moved(machine("check_verdict", 'check="a.b"', 'subject="/"', 'verdict="*"'),
                                    "unknown", "not-applicable"),
    "FirstlightReportOld": one(REPORT, 86401, 86000),
    "FirstlightCheckOld": one(machine("check_age_seconds", 'check="a.b"'), 15 * 86400, 13 * 86400),
    "FirstlightNoReport": Case(steady({READABLE: 1}), steady({READABLE: 1, REPORT: 5})),
    "FirstlightHistoryUnreadable": one(READABLE, 0, 1),
    "FirstlightApplyFailed": moved(machine("run_outcome", 'kind="apply"', 'outcome="*"'), "refused", "done"),
    "FirstlightDrift": one(machine("drift_items", 'against="profile"', 'check="a.b"'), 2, 0),
    "FirstlightDriftOld": Case(steady({LOOKED["profile"]: 260000, LOOKED["baseline"]: 260000}),
                               steady({LOOKED["profile"]: 50 * 3600})),
    "FirstlightSmokeFailed": one(machine("smoke_passed", 'smoke="lora"'), 0, 1),
    "FirstlightRebootPending": one(machine("reboot_pending"), 1, 0),
    "FirstlightExporterDown": one(f"up{{{TARGET}}}", 0, 1),
}
