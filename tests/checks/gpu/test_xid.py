from __future__ import annotations

import json

import pytest

from agent.machine.journal import DMESG_ARGV, KERNEL_ARGV
from agent.model.errors import Unobservable
from checks.gpu.xid import CHECK
from tests.checks.findings import CONTAINER, DENIED, found, only
from tests.checks.gpu.cards import NO_CARD, bus
from tests.fixtures import FakeMachine

BOOT = "[    0.000000] Linux version 6.8.0"


def xid(code: int, rest: str = "", *, at_s: float = 100.0, address: str = "0000:01:00") -> str:
    return f"<3>[{at_s:12.6f}] NVRM: Xid (PCI:{address}): {code}{', ' + rest if rest else ''}"


def machine(*lines: str, **more: object) -> FakeMachine:
    text = "\n".join((f"<6>{BOOT}", *lines)) + "\n"
    files = {**bus("0000:01:00.0", "0000:02:00.0"), "/proc/uptime": "1000.00 900.00\n"}
    return FakeMachine({**files, **more.pop("files", {})}, {DMESG_ARGV: text, **more.pop("commands", {})}, **more)  # type: ignore[dict-item, arg-type]


def test_a_log_without_xids_passes_and_says_since_when() -> None:
    finding = only(CHECK, machine())
    assert finding.verdict == "pass"
    assert finding.summary.startswith("No Xid in the kernel log since 2026-05-28 20:10:")


@pytest.mark.parametrize("code", [46, 48, 62, 64, 74, 79, 95, 119, 120, 140, 143])
def test_a_xid_of_the_hardware_fails_with_card_and_catalogue(code: int) -> None:
    finding = only(CHECK, machine(xid(code, "pid='<unknown>', name=<unknown>, GPU has fallen off the bus.")))
    assert (finding.verdict, finding.subject) == ("fail", f"0000:01:00 Xid {code}")
    assert finding.summary.startswith(f"NVIDIA A100-SXM4-40GB at 0000:01:00: Xid {code} (")
    assert "once, last at " in finding.summary and "unknown" not in finding.summary
    assert finding.remedy.steps[0].startswith("NVIDIA's catalogue: ")


@pytest.mark.parametrize("code", [13, 31, 43, 45])
def test_a_xid_of_a_program_is_no_fault_of_the_card(code: int) -> None:
    finding = only(CHECK, machine(xid(code, "pid=4711, name=python, Ch 00000008")))
    assert finding.verdict == "pass"
    assert f"{code} (once)" in finding.summary and "None is a fault of a card" in finding.summary


def test_both_sources_are_shown_where_they_disagree() -> None:
    finding = only(CHECK, machine(xid(109, "pid=7, name=vllm, Ch 1")))
    assert "The sources differ on it." in finding.summary
    assert len(finding.remedy.steps) > 2
    assert any("NVIDIA's Kubernetes plugin" in step for step in finding.remedy.steps)
    assert any(item.source == "what the sources say" for item in finding.evidence)


@pytest.mark.parametrize("code", [32, 63, 69, 94])
def test_a_mild_xid_that_another_source_takes_for_a_fault_warns(code: int) -> None:
    finding = only(CHECK, machine(xid(code)))
    assert finding.verdict == "warn" and "The sources differ on it." in finding.summary
    assert any(step.startswith("gpud: ") for step in finding.remedy.steps)


def test_a_burst_is_counted_once_per_card_and_names_the_processes() -> None:
    lines = [xid(48, "pid=7, name=train, DBE", at_s=100 + step) for step in range(5)]
    findings = found(CHECK, machine(*lines, xid(48, "pid=8, name=eval, DBE", address="00000000:02:00.0")))
    assert [finding.subject for finding in findings] == ["0000:01:00 Xid 48", "0000:02:00 Xid 48"]
    assert "5 times within 4 s" in findings[0].summary and "in train (pid 7)" in findings[0].summary


def test_slow_repetition_is_no_burst() -> None:
    finding = only(CHECK, machine(xid(48, at_s=10), xid(48, at_s=900)))
    assert "2 times, last" in finding.summary


def test_a_code_no_row_knows_warns() -> None:
    finding = only(CHECK, machine(xid(4242)))
    assert finding.verdict == "warn" and "do not know" in finding.summary
    assert finding.remedy.steps


def test_the_end_of_a_recovery_is_no_fault_and_its_beginning_is() -> None:
    text = "GPU recovery action changed from 0x{} to 0x{} ({})"
    assert only(CHECK, machine(xid(154, text.format(0, 2, "Node Reboot Required")))).verdict == "fail"
    done = machine(xid(154, text.format(0, 1, "GPU Reset Required")), xid(154, text.format(1, 0, "None"), at_s=200))
    assert only(CHECK, done).verdict == "pass"


def test_a_card_that_is_gone_from_the_bus_is_still_named_by_its_address() -> None:
    assert "0000:41:00 that is not on the bus" in only(CHECK, machine(xid(79, address="0000:41:00"))).summary


def test_a_xid_on_a_mig_slice_is_seen_and_names_the_slice() -> None:
    finding = only(CHECK, machine(xid(95, "pid=7194, Uncontained: LTC TAG (0x2,0x0).", address="0000:01:00 GPU-I:05")))
    assert (finding.verdict, finding.subject) == ("fail", "0000:01:00 Xid 95")
    assert finding.summary.endswith("slice GPU-I:05.")


@pytest.mark.parametrize(("words", "verdict"), [("Non-fatal, Link 46 MC TS", "warn"), ("Fatal, Link 46", "fail")])
def test_switch_errors_are_told_apart(words: str, verdict: str) -> None:
    line = f"<3>[   9.000000] nvidia-nvswitch3: SXid (PCI:0000:c1:00.0): 28006, {words}"
    finding = only(CHECK, machine(line))
    assert (finding.verdict, finding.subject) == (verdict, "0000:c1:00 SXid 28006")


def test_a_user_who_may_not_read_the_buffer_is_told_by_the_journal() -> None:
    entry = {"MESSAGE": xid(79).partition("] ")[2], "PRIORITY": "3", "__REALTIME_TIMESTAMP": "1780000000000000"}
    host = machine(commands={DMESG_ARGV: Unobservable("dmesg: Operation not permitted"),
                             KERNEL_ARGV: json.dumps(entry)})
    finding = only(CHECK, host)
    assert finding.verdict == "fail" and finding.evidence[0].source == "journalctl -k -b"


def test_no_log_at_all_is_unknown() -> None:
    denied = {DMESG_ARGV: DENIED, KERNEL_ARGV: DENIED}
    assert only(CHECK, machine(commands=denied)).verdict == "unknown"


def test_a_bus_that_cannot_be_read_is_unknown() -> None:
    assert only(CHECK, machine(errors={"/sys/bus/pci/devices": DENIED})).verdict == "unknown"


def test_without_a_card_and_in_a_container_it_is_not_applicable() -> None:
    assert only(CHECK, NO_CARD).verdict == "not-applicable"
    assert only(CHECK, machine(xid(79), files=CONTAINER)).verdict == "not-applicable"
