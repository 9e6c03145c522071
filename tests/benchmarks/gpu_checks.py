"""CPU seconds of all quick gpu, driver and cuda checks on a machine with eight GPUs (or one), children included.

The files are a tree on disk that is read as a machine is; NVML is the stand-in library through the real probe.

    python -m tests.benchmarks.gpu_checks [RUNS]
"""

from __future__ import annotations

import os
import resource
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import checks
from agent.check import Level
from agent.engine.discovery import load_checks
from agent.engine.pool import run_checks
from agent.machine.api import FileStatus
from agent.machine.local import LocalMachine
from tests.checks.cuda import machines as cuda
from tests.checks.driver import machines as driver
from tests.checks.findings import profile
from tests.fixtures import Content
from tests.nvml.machines import bus_files
from tests.nvml.stand_in import StandIn

MODULES, PACKAGES = 6_000, 2_500  # of a usual Ubuntu server


class Rooted(LocalMachine):
    """The machine whose root is a folder; commands are those of this machine."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)

    def _inside(self, path: str) -> str:
        return self.root + path

    def read_bytes(self, path: str, *, limit_bytes: int = 1 << 20) -> bytes:
        return super().read_bytes(self._inside(path), limit_bytes=limit_bytes)

    def listing(self, path: str) -> tuple[str, ...]:
        return super().listing(self._inside(path))

    def status(self, path: str) -> FileStatus:
        return super().status(self._inside(path))

    def exists(self, path: str) -> bool:
        return super().exists(self._inside(path))


def plant(root: Path, files: Mapping[str, Content]) -> None:
    """Write the files of a fake machine below a folder."""
    for path, content in files.items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, FileStatus) and content.kind == "link":
            place.symlink_to(content.target)
        else:
            data = content if isinstance(content, bytes) else content.encode() if isinstance(content, str) else b""
            place.write_bytes(data)


def tree(name: str) -> dict[str, Content]:
    """Return the files of a machine with the cards of a profile, a driver by DKMS, CUDA and cuDNN."""
    files = {**cuda.healthy_files(), **driver.healthy_files()}
    files = {path: content for path, content in files.items()
             if driver.ADDRESS not in path and path != "/sys/firmware/efi"}
    modules = "".join(f"kernel/drivers/net/ethernet/vendor{n}/driver{n}.ko.zst: kernel/lib/x.ko.zst\n"
                      for n in range(MODULES))
    packages = "\n".join(f"Package: lib{n}\nStatus: install ok installed\nPriority: optional\nArchitecture: amd64\n"
                         f"Version: {n}.0-1\nDescription: {'x' * 900}\n" for n in range(PACKAGES))
    return {
        **files, **bus_files(name), "/proc/meminfo": "MemTotal: 527600748 kB\nMemAvailable: 501465408 kB\n",
        f"/lib/modules/{driver.KERNEL}/modules.dep": modules + str(files[f"/lib/modules/{driver.KERNEL}/modules.dep"]),
        f"/var/lib/dkms/nvidia/{driver.VERSION}/{driver.KERNEL}/x86_64/module/nvidia.ko.zst": "",
        "/var/lib/dpkg/status": packages + "\n" + str(files["/var/lib/dpkg/status"]),
        "/run/systemd/system/x": "", "/sys/bus/pci/devices/0000:00:00.0/vendor": "0x8086\n",
    }


def measure(name: str, runs: int) -> None:
    """Print the median of one machine."""
    with tempfile.TemporaryDirectory() as folder:
        stand_in = StandIn(Path(folder)).use(name)
        os.environ.update(stand_in.environment)
        root = Path(folder) / "root"
        plant(root, tree(name))
        chosen = load_checks(checks, ["gpu", "driver", "cuda"])
        wanted = profile(gpu={"driver": {"enabled": True, "branch": "580"}, "cuda": {"enabled": True}})
        cpu, wall = [], []
        for _ in range(runs):
            before, began = _cpu_s(), time.perf_counter()
            report = run_checks(chosen, Rooted(root), wanted, Level.QUICK)
            wall.append(time.perf_counter() - began)
            cpu.append(_cpu_s() - before)
        verdicts = Counter(finding.verdict.value for run in report.runs for finding in run.findings)
        print(f"{name}: {len(report.runs)} checks, CPU {statistics.median(cpu):.3f} s, wall "
              f"{statistics.median(wall):.3f} s (medians of {runs})")
        print("  findings: " + ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items()))
        slowest = sorted(report.runs, key=lambda run: -run.duration_s)[:5]
        print("  slowest: " + ", ".join(f"{run.check} {run.duration_s * 1000:.0f} ms" for run in slowest))


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


if __name__ == "__main__":
    for machine in ("h200x8", "rtx4090"):
        measure(machine, int(sys.argv[1]) if len(sys.argv) > 1 else 7)
