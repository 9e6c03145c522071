"""What the demo machines have around their cards: a Debian-like system as it came, and a month of smoke jobs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from agent.machine.api import Completed
from agent.machine.limits import SESSION_ARGV
from agent.machine.systemd import KEPT, MANAGER_ARGV, OTHERS, PROPERTIES, units_argv
from checks.system.failed_units import ARGV as FAILED_UNITS
from tests.fixtures import NOW, Content

RUNNING = ("user.slice", "systemd-timesyncd.service", "unattended-upgrades.service", "apt-daily-upgrade.timer",
           "ssh.service", "nvidia-persistenced.service", "nvidia-fabricmanager.service")
FILES: Mapping[str, Content] = {
    "/proc/cmdline": "BOOT_IMAGE=/boot/vmlinuz-6.8.0-45-generic root=UUID=2c1f ro quiet iommu=pt\n",
    "/etc/group": "root:x:0:\nadm:x:4:syslog,ops\nsudo:x:27:ops\nops:x:1000:\n",
    "/etc/passwd": "root:x:0:0:root:/root:/bin/bash\nops:x:1000:1000:,,,:/home/ops:/bin/bash\n",
    "/var/lib/dpkg/status": "\n".join(
        f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.0\n"
        for name in ("systemd", "ca-certificates", "curl", "gnupg", "pciutils", "rsync")),
    "/run/systemd/timesync/synchronized": "",
    "/sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory hugetlb pids rdma misc\n",
    "/etc/systemd/system.conf": "[Manager]\n", "/etc/systemd/user.conf": "[Manager]\n",
    "/proc/self/mountinfo": "25 1 259:1 / / rw,relatime - ext4 /dev/nvme0n1p1 rw\n"
                            "30 25 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n",
}
FOLDERS = ("/run/systemd/system", "/lib/modules/6.8.0-45-generic", "/etc/modprobe.d", "/usr/lib/modprobe.d")


def commands() -> dict[tuple[str, ...], str | Completed]:
    """Return what systemd and a login session answer."""
    return {
        units_argv(): _blocks(KEPT), units_argv(OTHERS): _blocks(OTHERS),
        MANAGER_ARGV: "DefaultLimitNOFILE=524288\nDefaultLimitNOFILESoft=1024\n",
        FAILED_UNITS: "", SESSION_ARGV: "1024\n1048576\n",
    }


def _blocks(units: Sequence[str]) -> str:
    return "\n".join("".join(f"{name}={_property(unit, name)}\n" for name in PROPERTIES) for unit in units)


def _property(unit: str, name: str) -> str:
    there = unit in RUNNING
    return {"Id": unit, "LoadState": "loaded" if there else "not-found",
            "ActiveState": "active" if there else "inactive", "SubState": "running" if there else "dead",
            "UnitFileState": "enabled" if there else "", "NeedDaemonReload": "no", "Result": "success",
            "ExecMainStatus": "0", "MemoryMin": "0", "MemoryHigh": "infinity", "MemoryMax": "infinity"}.get(name, "")


# Figure of a job on one card of each machine: what it is on a good day.
FIGURES: Mapping[str, Mapping[str, Mapping[str, float]]] = {
    "server": {
        "nvidia-smi": {}, "nvcc": {}, "cuda-kernel": {}, "all-reduce": {"all_reduce_gbs": 412.0},
        "lora": {"tokens_per_s": 214000.0, "step_p50_ms": 9.6, "captured": 0.97},
        "lora-peft": {"tokens_per_s": 61000.0},
        "vllm": {"c1_output_tokens_per_s": 168.0, "c8_output_tokens_per_s": 1210.0, "c1_ttft_p50_ms": 17.0},
        "bandwidth": {"matmul_bfloat16_tflops": 761.0, "copy_gbs": 2870.0, "h2d_gbs": 55.3},
    },
    "spark": {
        "nvidia-smi": {}, "lora": {"tokens_per_s": 38200.0, "step_p50_ms": 26.8, "captured": 0.97},
        "bandwidth": {"matmul_bfloat16_tflops": 81.0, "copy_gbs": 232.0},
    },
}
PER_CARD = ("bandwidth", "cuda-kernel", "lora")
DAYS, SLOWER_FROM, SLOW_CARD = 14, 9, 3


def proofs(name: str, subjects: Sequence[str]) -> list[dict[str, Any]]:
    """Return two weeks of results of a demo machine: every job each day; the server's hot card becomes slower."""
    found = []
    for job, figures in FIGURES[name].items():
        for number, subject in enumerate(subjects if job in PER_CARD else [""]):
            days = [{figure: _on(day, number, figure, value, hot=len(subjects) > 1 and number == SLOW_CARD)
                     for figure, value in figures.items()} for day in range(DAYS)]
            slow = any(figure == "matmul_bfloat16_tflops" and value < 630
                       for figure, value in days[-1].items()) and len(subjects) > 1
            found.append({"job": job, "subject": subject, "verdict": "fail" if slow else "pass", "days": days,
                          "last": NOW - 3600.0})
    return found


def _on(day: int, number: int, figure: str, value: float, *, hot: bool) -> float:
    share = 1 + 0.012 * math.sin(day * 1.7 + number * 2.3)
    if hot and figure != "captured" and day >= SLOWER_FROM:
        share -= 0.06 * (day - SLOWER_FROM + 1) * (-1 if figure == "step_p50_ms" else 1)
    return round(value * share, 3 if value < 10 else 1)
