from __future__ import annotations

import json

import pytest

from agent.machine.journal import DMESG_ARGV, KERNEL_ARGV
from agent.model.errors import Unobservable
from checks.kernel.kernel_log import CHECK
from tests.checks.findings import CONTAINER, only, verdicts
from tests.fixtures import FakeMachine


def journal(*texts: str) -> FakeMachine:
    rows = [{"MESSAGE": text, "PRIORITY": "4", "__REALTIME_TIMESTAMP": str(1_780_000_000_000_000 + index)}
            for index, text in enumerate(("Linux version 6.1", *texts))]
    return FakeMachine(commands={KERNEL_ARGV: "".join(json.dumps(row) + "\n" for row in rows)})


@pytest.mark.parametrize(("text", "verdict", "subject"), [
    ("Out of memory: Killed process 1412 (python3) total-vm:9", "warn", "out-of-memory"),
    ("Memory cgroup out of memory: Killed process 99 (vllm)", "warn", "out-of-memory"),
    ("INFO: task kworker/3:1:88 blocked for more than 120 seconds.", "warn", "hung-task"),
    ("watchdog: BUG: soft lockup - CPU#3 stuck for 26s!", "warn", "hung-task"),
    ("I/O error, dev nvme0n1, sector 80 op 0x0:(READ) flags 0x80700", "fail", "disk-error"),
    ("nvme nvme0: controller is down; will reset: CSTS=0xffffffff", "fail", "disk-error"),
    ("EXT4-fs error (device vda1): ext4_lookup:1785: inode #2: comm ls", "fail", "filesystem-error"),
    ("XFS (nvme1n1): Metadata corruption detected at xfs_agf_verify", "fail", "filesystem-error"),
    ("XFS (sdb): Log I/O Error Detected. Shutting down filesystem", "fail", "filesystem-error"),
    ("mce: [Hardware Error]: CPU 1: Machine Check: 0 Bank 5", "warn", "machine-check"),
    ("EDAC MC0: 1 CE memory read error on CPU_SrcID#0_MC#0", "warn", "machine-check"),
    ("pcieport 0000:00:01.0: PCIe Bus Error: severity=Uncorrected", "warn", "pcie-error"),
    ("BUG: kernel NULL pointer dereference, address: 0000000000000010", "fail", "kernel-crash"),
])
def test_trouble_is_recognised(text, verdict, subject):
    assert verdicts(CHECK, journal(text)) == [(verdict, subject)]


@pytest.mark.parametrize("text", [
    "NVRM: nvAssertOkFailedNoLog: Assertion failed: Out of memory: Killed? [NV_ERR_NO_MEMORY] (0x00000051)",
    "pcieport 0000:00:01.0: AER: enabled with IRQ 24",
    "EXT4-fs (vda1): mounted filesystem with ordered data mode",
    "XFS (nvme1n1): Ending clean mount",
    "mce: CPU0: Thermal monitoring enabled (TM1)",
    "EDAC MC: Ver: 3.0.0",
    "systemd[1]: Mounted /data",
    "I/O error, dev sr0, sector 0 op 0x0:(READ)",
    "RAS: Correctable Errors collector initialized.",
    "Kernel command line: BOOT_IMAGE=/vmlinuz oops=panic",
])
def test_harmless_lines_are_left_alone(text):
    assert verdicts(CHECK, journal(text)) == [("pass", "")]


def test_a_kind_is_one_finding_with_count_and_last_time():
    finding = only(CHECK, journal(*["I/O error, dev sda, sector 8"] * 7))
    assert "7 times, last at 2026-05-28" in finding.summary
    assert len(finding.evidence[0].lines) == 5


def test_without_a_journal_dmesg_is_read():
    machine = FakeMachine(
        {"/proc/uptime": "100.0 90.0\n"},
        {DMESG_ARGV: "<6>[    0.000000] Linux\n<3>[   90.5] I/O error, dev sda, sector 8\n"},
    )
    assert verdicts(CHECK, machine) == [("fail", "disk-error")]


def test_an_empty_journal_and_a_forbidden_dmesg_are_unknown_never_pass():
    machine = FakeMachine({"/proc/uptime": "100.0 90.0\n"},
                          {KERNEL_ARGV: "", DMESG_ARGV: Unobservable("dmesg: Operation not permitted")})
    assert only(CHECK, machine).verdict == "unknown"


def test_a_container_is_not_applicable():
    assert only(CHECK, FakeMachine(CONTAINER)).verdict == "not-applicable"
