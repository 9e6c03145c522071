"""Situation → findings, for every profile and every fault of the stand-in, kept in golden/*.txt.

To accept a change that you have read: FIRSTLIGHT_GOLDEN=write pytest tests/checks/gpu/test_golden.py
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.checks.gpu.situations import MATCHES, findings, table
from tests.fixtures import FakeMachine
from tests.nvml.machines import machine
from tests.nvml.stand_in import FAULTS, PROFILES, StandIn, base_of
from tests.unit.golden import assert_golden

GOLDEN = Path(__file__).parent / "golden"
# Faults of the stand-in that are no fault of the machine: look-alikes that must not alarm.
HARMLESS = ("throttle-moment", "power-cap", "clocks-locked", "margin-nonsense",
            "xid-13", "xid-31", "xid-43", "xid-job-crashed")
# Fault → the check that names it, and a word of its cause.
NAMED = {
    "clocks-stuck": ("gpu.clocks", "no reason"), "compute-prohibited": ("gpu.compute-mode", "forbids"),
    "crash-call": ("gpu.responds", "crashed in nvmlDeviceGetPowerUsage of GPU 0"),
    "driver-not-loaded": ("gpu.responds", "not loaded"), "ecc-off": ("gpu.ecc", "is off"),
    "ecc-pending": ("gpu.ecc", "after a reset"), "ecc-uncorrected": ("gpu.ecc", "3 uncorrectable"),
    "fan-stopped": ("gpu.fan", "stands still"), "hang-call": ("gpu.responds", "nvmlDeviceGetPowerUsage of GPU 0"),
    "hang-init": ("gpu.responds", "did not return from nvmlInit"), "hot-margin": ("gpu.temperature", "3 °C above"),
    "hot-no-limits": ("gpu.temperature", "we take"), "hot-threshold": ("gpu.temperature", "87 °C, its maximum is 85"),
    "lost": ("gpu.responds", "lost"), "lost-handle": ("gpu.responds", "lost"), "lost-later": ("gpu.responds", "lost"),
    "memory-hot": ("gpu.temperature", "memory at 97"), "memory-refused": ("gpu.memory", "not known to share"),
    "mig-empty": ("gpu.mig-mode", "no slice"), "mig-pending": ("gpu.mig-mode", "after a reset"),
    "mismatch": ("gpu.responds", "580.95.05 and its library is 580.126.09"),
    "missing": ("gpu.presence", "NVML does not show it"), "no-library": ("gpu.responds", "no NVIDIA driver"),
    "no-permission": ("gpu.responds", "may not ask"), "nvlink-down": ("gpu.nvlink", "2 of its 18"),
    "pcie-generation-busy": ("gpu.pcie-link", "generation 2 of 5"), "pcie-width": ("gpu.pcie-link", "8 of 16"),
    "persistence-off": ("gpu.persistence", "off"), "power-limited": ("gpu.power", "limited to 200 W"),
    "recovery-reboot": ("gpu.recovery-action", "reboot"), "remap-failed": ("gpu.remapped-rows", "no spare"),
    "remap-many": ("gpu.remapped-rows", "600"), "remap-pending": ("gpu.remapped-rows", "waits"),
    "reset-required": ("gpu.responds", "needs a reset"), "retired-many": ("gpu.retired-pages", "66"),
    "retired-pending": ("gpu.retired-pages", "waits"), "revoked": ("gpu.responds", "lost its device files"),
    "temperature-ramp": ("gpu.temperature", "88 °C"), "throttle-hw-thermal": ("gpu.throttle", "too hot"),
    "throttle-power-brake": ("gpu.throttle", "power brake"), "throttle-sw-thermal": ("gpu.throttle", "highest temp"),
    "xid-48": ("gpu.xid", "Xid 48 (Double Bit ECC Error), once"),
    "xid-63": ("gpu.xid", "Xid 63 (GPU memory remapping event)"),
    "xid-64": ("gpu.xid", "Xid 64 (GPU memory remapping failure)"),
    "xid-74": ("gpu.xid", "Xid 74 (NVLINK Error), 2 times within 1 s"),
    "xid-79": ("gpu.xid", "Xid 79 (GPU has fallen off the bus)"),
    "xid-94": ("gpu.xid", "Xid 94 (Contained memory error), 2 times within 1 s"),
    "xid-95": ("gpu.xid", "Xid 95 (Uncontained memory error)"),
    "xid-119": ("gpu.xid", "Xid 119 (GSP RPC Timeout), once"),
    "xid-burst": ("gpu.xid", "Xid 119 (GSP RPC Timeout), 9 times within 48 s"),
}
# What else a Xid's situation shows, by other means than the log.
BESIDE = {
    "xid-48": {"gpu.ecc", "gpu.remapped-rows", "gpu.recovery-action"}, "xid-63": {"gpu.remapped-rows"},
    "xid-64": {"gpu.remapped-rows"}, "xid-74": {"gpu.nvlink"}, "xid-79": {"gpu.responds"},
    "xid-94": {"gpu.ecc", "gpu.remapped-rows"}, "xid-95": {"gpu.ecc", "gpu.remapped-rows", "gpu.recovery-action"},
    "xid-119": {"gpu.recovery-action"}, "xid-burst": {"gpu.recovery-action"},
}


def looked_at(stand_in: StandIn, base: str, fault: str = "") -> FakeMachine:
    """Return the machine of a profile with a fault and what goes with that outside NVML."""
    stand_in.use(base, *([fault] if fault else []))
    more = {"/run/systemd/container": "docker\n"} if fault == "revoked" else {}
    return machine(stand_in, base, driver=fault != "no-library", library="580.126.09" if fault == "mismatch" else "",
                   more=more) if fault != "driver-not-loaded" else _without_module(machine(stand_in, base))


def _without_module(host: FakeMachine) -> FakeMachine:
    for path in ("/sys/module/nvidia/version", "/proc/driver/nvidia/version"):
        del host.files[path]
    host.folders.discard("/sys/module/nvidia")
    return host


@pytest.mark.parametrize("name", PROFILES)
def test_a_healthy_machine_has_no_fail_no_warn_and_nothing_unknown(stand_in: StandIn, name: str) -> None:
    found = findings(looked_at(stand_in, name), match=MATCHES.get(name, {}))
    assert_golden(table(found), GOLDEN / f"{name}.txt")
    bad = [finding for finding in found if finding.verdict.value in ("fail", "warn", "unknown")]
    assert bad == [], table(bad)


@pytest.mark.parametrize("name", HARMLESS)
def test_what_only_looks_like_a_fault_raises_no_alarm(stand_in: StandIn, name: str) -> None:
    found = findings(looked_at(stand_in, base_of(name), name), match=MATCHES.get(base_of(name), {}))
    assert_golden(table(found), GOLDEN / f"fault-{name}.txt")
    assert {finding.verdict.value for finding in found} <= {"pass", "not-applicable"}, table(found)


@pytest.mark.parametrize("name", NAMED)
def test_a_fault_is_named_by_its_cause(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    if name.startswith("hang"):
        # the probe's own deadline is 6 s; the same code with a shorter one
        monkeypatch.setattr("tests.nvml.machines.PROBE_ARGV", ("firstlight-nvml", "2"))
    found = findings(looked_at(stand_in, base_of(name), name), match=MATCHES.get(base_of(name), {}))
    assert_golden(table(found), GOLDEN / f"fault-{name}.txt")
    check, word = NAMED[name]
    said = [finding for finding in found if finding.check == check and word in finding.summary]
    assert said, table(found)
    if name not in ("no-permission", "memory-refused"):
        assert {finding.verdict.value for finding in said} <= {"fail", "warn"}
        assert all(finding.remedy.steps for finding in said)


@pytest.mark.parametrize("name", BESIDE)
def test_a_xid_of_the_hardware_gets_the_catalogues_action_and_agrees_with_the_card(
    stand_in: StandIn, name: str
) -> None:
    found = findings(looked_at(stand_in, base_of(name), name), match=MATCHES.get(base_of(name), {}))
    bad = [finding for finding in found if finding.verdict.value in ("fail", "warn")]
    assert {finding.check for finding in bad} == {"gpu.xid", *BESIDE[name]}, table(bad)
    for finding in bad:
        if finding.check == "gpu.xid":
            assert finding.remedy.steps[0].startswith("NVIDIA's catalogue: "), finding


def test_every_fault_has_its_row() -> None:
    assert {*NAMED, *HARMLESS} == set(FAULTS)
