"""Every metric, declared once: what is served and what docs/reference/metrics.md says come from here.

Base units, UUID labels, never a hostname label (Prometheus knows the target). What could not be read, or does not
exist on this hardware, has no series: never zero.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. `kind`: gauge, counter or info. `live`: computed at the scrape (ages), not when data arrives."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...] = ()
    live: bool = False


_GPU = ("uuid",)


def _gpu(name: str, text: str, *labels: str, kind: str = "gauge") -> Metric:
    return Metric(f"firstlight_gpu_{name}", kind, text, (*_GPU, *labels))


PRODUCT = (
    Metric("firstlight_build_info", "info", "Version of Firstlight that serves this.", ("version", "python")),
    Metric("firstlight_profile_info", "info", "Profile of the newest report; digest is its first 12 digits.",
           ("profile", "digest")),
    Metric("firstlight_reboot_pending", "gauge", "1 when a package asks for a reboot (/run/reboot-required) "
           "or another kernel than the running one boots next."),
)
CHECKS = (
    Metric("firstlight_check_verdict", "gauge",
           "1 for the present verdict of each check and subject; other verdicts have no series.",
           ("check", "subject", "verdict")),
    Metric("firstlight_check_duration_seconds", "gauge", "Wall time of the last run of a check.", ("check",)),
    Metric("firstlight_check_age_seconds", "gauge", "Time since a check last looked.", ("check",), live=True),
    Metric("firstlight_check_subjects_left_out", "gauge",
           "Subjects beyond the 64 worst of a check, which have no series.", ("check",)),
    Metric("firstlight_findings", "gauge", "Findings by area and verdict.", ("area", "verdict")),
    Metric("firstlight_report_age_seconds", "gauge",
           "Time since the newest whole report of a level (check without --only) was finished.", ("level",), live=True),
    Metric("firstlight_report_duration_seconds", "gauge", "Wall time of the newest whole report of a level.",
           ("level",)),
    Metric("firstlight_history_readable", "gauge", "1 when the history of reports could be read at the last look."),
)
RUNS = (
    Metric("firstlight_run_outcome", "gauge", "1 for how the last run of a kind (plan, apply, …) ended.",
           ("kind", "outcome")),
    Metric("firstlight_run_duration_seconds", "gauge", "Wall time of the last run of a kind.", ("kind",)),
    Metric("firstlight_run_age_seconds", "gauge", "Time since the last run of a kind ended.", ("kind",), live=True),
    Metric("firstlight_drift_items", "gauge", "What differs from the profile or the baseline, by check or area.",
           ("against", "check")),
    Metric("firstlight_drift_info", "info",
           "Fingerprint of all that differs: machines that drifted alike have the same one; none without drift.",
           ("against", "fingerprint")),
    Metric("firstlight_drift_age_seconds", "gauge", "Time since drift was last looked for.", ("against",), live=True),
    Metric("firstlight_smoke_passed", "gauge",
           "0 when a smoke job failed on a card of its last run, 1 when it passed or warned; unknown and not "
           "applicable prove nothing: no series.", ("smoke",)),
    Metric("firstlight_smoke_figure", "gauge", "A figure measured by a smoke job; its unit ends its name.",
           ("smoke", "figure", "uuid")),
    Metric("firstlight_smoke_age_seconds", "gauge", "Time since a smoke job last ended.", ("smoke",), live=True),
)
GPUS = (
    Metric("firstlight_gpus", "gauge", "NVIDIA GPUs, by who sees them: the PCI bus or NVML.", ("seen_by",)),
    Metric("firstlight_nvml_up", "gauge", "1 when NVML answered everything at the last sample, else 0."),
    Metric("firstlight_nvml_state", "gauge", "1 for what NVML did: ok, failed, hung, crashed, unasked.", ("state",)),
    Metric("firstlight_nvml_error_code", "gauge", "NVML's error code at initialisation; 0 = none."),
    _gpu("up", "1 when the card answered at the last sample, 0 when it is lost, vanished or could not be asked."),
    _gpu("state", "1 for the state of a card: answering, lost, vanished, unasked.", "state"),
    _gpu("error_code", "NVML's error code of a lost card (15 lost, 16 reset required); 0 = none."),
    Metric("firstlight_gpu_answer_age_seconds", "gauge", "Time since a card last answered.", _GPU, live=True),
    _gpu("info", "What a card is.", "name", "pci_address", "driver_version", "cuda_version", "vbios", kind="info"),
    _gpu("unread_readings", "Readings that failed with an error (not: are unsupported) at the last sample."),
    _gpu("temperature_celsius", "Temperature of the GPU."),
    _gpu("memory_temperature_celsius", "Temperature of the card's memory."),
    _gpu("temperature_limit_celsius", "Temperature limits that the card states.", "limit"),
    _gpu("temperature_margin_celsius", "Degrees left to the nearest limit (T.Limit)."),
    _gpu("power_watts", "Power drawn now."),
    _gpu("power_limit_watts", "Power limit in force."),
    _gpu("power_default_limit_watts", "Power limit the card was made for."),
    _gpu("energy_joules_total", "Energy used since the driver was loaded.", kind="counter"),
    _gpu("utilization_ratio", "Share of time a kernel was running, 0 to 1."),
    _gpu("memory_controller_utilization_ratio", "Share of time memory was read or written, 0 to 1."),
    _gpu("memory_total_bytes", "Memory of the card; of the host where it is shared (unified)."),
    _gpu("memory_used_bytes", "Memory that GPU processes hold (unified) or that is in use on the card."),
    _gpu("memory_free_bytes", "Memory free; where it is shared, what the host calls available."),
    _gpu("memory_unified", "1 when CPU and GPU share one memory."),
    _gpu("clock_hertz", "Clock now.", "clock"),
    _gpu("clock_max_hertz", "Highest clock.", "clock"),
    _gpu("fan_speed_ratio", "Fan speed as a share of its maximum; may exceed 1."),
    _gpu("performance_state", "P-state: 0 highest performance, 15 lowest."),
    _gpu("clock_event", "1 while a reason holds the clocks down.", "reason"),
    _gpu("throttle_seconds_total", "Time the clocks were held down since the driver was loaded.", "reason",
         kind="counter"),
    _gpu("pcie_link_generation", "PCIe generation now; drops at rest by design. None where the GPU is not on PCIe."),
    _gpu("pcie_link_width", "PCIe lanes now."),
    _gpu("pcie_link_max_generation", "Highest PCIe generation that card and slot allow."),
    _gpu("pcie_link_max_width", "Most PCIe lanes that card and slot allow."),
    _gpu("pcie_replays_total", "PCIe packets sent again.", kind="counter"),
    _gpu("ecc_enabled", "1 when error correction is on."),
    _gpu("ecc_errors_total", "Memory errors; since volatile = driver load, aggregate = the card's life.", "error",
         "since", kind="counter"),
    _gpu("remapped_rows", "Memory rows replaced by spares.", "cause"),
    _gpu("row_remap_pending", "1 when a reset is needed to replace a memory row."),
    _gpu("row_remap_failed", "1 when a memory row could not be replaced."),
    _gpu("retired_pages", "Memory pages retired (before Ampere).", "cause"),
    _gpu("nvlinks", "NVLinks by state.", "state"),
    _gpu("recovery_action", "What NVML asks for: 0 nothing, 1 reset, 2 reboot, 3 drain, 4 drain and reset."),
    _gpu("persistence_mode", "1 when the driver stays loaded without a client."),
    _gpu("mig_mode", "1 when the card is split into MIG slices."),
    _gpu("mig_slices", "MIG slices that exist."),
    _gpu("processes", "Processes that compute on the card."),
)
ITSELF = (
    Metric("firstlight_sample_duration_seconds", "gauge", "Wall time of the last sample of the cards."),
    Metric("firstlight_sample_age_seconds", "gauge", "Time since the cards were last sampled.", live=True),
    Metric("firstlight_samples_total", "counter", "Samples taken, by result.", ("result",)),
    Metric("firstlight_scrapes_total", "counter", "Times these metrics were asked for.", live=True),
)
METRICS = {metric.name: metric for metric in (*PRODUCT, *CHECKS, *RUNS, *GPUS, *ITSELF)}
