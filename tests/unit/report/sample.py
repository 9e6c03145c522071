"""One report with everything in it that is hard to show."""

from __future__ import annotations

from agent.model.finding import CheckRun, Evidence, Finding, Remedy, Report
from agent.model.verdict import Verdict

HOSTILE = "\x1b[31mred\x1b[0m \x07bell\x00 <b>&amp; \"quotes\" | pipe ``` ]]> \u202eright to left ünï \ud800"
REPORT = Report(
    machine="box-7", profile="rtx-workstation", profile_digest="0123456789ab", level="standard",
    started=1_780_000_000.0, finished=1_780_000_001.25,
    runs=(
        CheckRun("kernel.sysctl", "Kernel settings in force", 0.0123, (
            Finding("kernel.sysctl", Verdict.FAIL, "vm.swappiness is 60; the profile wants 1.", "vm.swappiness", "60",
                    "1", (Evidence("/proc/sys/vm/swappiness", ("60",)),), Remedy("sysctl")),
            Finding("kernel.sysctl", Verdict.PASS, "fs.nr_open is 2000000.", "fs.nr_open", "2000000", "≥ 2000000"),
        )),
        CheckRun("storage.nvme-health", "NVMe health", 0.5, (
            Finding("storage.nvme-health", Verdict.WARN, "The drive has used 91 % of its rated endurance and will "
                    "have to be replaced before it is worn out.", "nvme0n1 S6Z2NJ0T", "91 %", "below 90 %",
                    (Evidence("nvme smart-log -o json /dev/nvme0n1", tuple(f"line {number}" for number in range(8))),),
                    Remedy(steps=("Back up what is on it.", "Replace the drive, then run firstlight plan."))),
            Finding("storage.nvme-health", Verdict.UNKNOWN, "needs root: run with sudo", "nvme1n1"),
        )),
        CheckRun("container.daemon-json", "daemon.json", 0.0, (
            Finding("container.daemon-json", Verdict.FAIL, HOSTILE, HOSTILE, HOSTILE, HOSTILE,
                    (Evidence(HOSTILE, (HOSTILE, "x" * 300)),), Remedy("docker", (HOSTILE,))),
        )),
        CheckRun("container.runtime", "NVIDIA runtime", 0.0, (
            Finding("container.runtime", Verdict.NOT_APPLICABLE, "The profile has no toolkit."),
        )),
    ),
)
HEALTHY = Report("box-7", "cpu-only", "0123456789ab", "quick", 1_780_000_000.0, 1_780_000_000.2, (
    CheckRun("kernel.sysctl", "Kernel settings in force", 0.01,
             (Finding("kernel.sysctl", Verdict.PASS, "vm.swappiness is 1."),)),))
EMPTY = Report("box-7", "cpu-only", "0123456789ab", "quick", 1_780_000_000.0, 1_780_000_000.0, ())
