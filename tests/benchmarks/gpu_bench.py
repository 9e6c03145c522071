"""`python -m tests.benchmarks.gpu_bench`: what all quick checks of GPU, driver and CUDA cost, beside nvitop and gcm.

All on the same stand-in NVML library, in turn, medians; CPU is of the process and everything it started. Our checks
read the files of a whole machine (driver by DKMS, CUDA, cuDNN, 6,000 modules, 2,500 packages) from a folder. gcm pins
other versions of what we use, so it lives in an environment of its own, made at the first run; where it cannot be
installed it is left out by name.
"""

from __future__ import annotations

import compileall
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from agent.machine.api import FileStatus
from tests.benchmarks.measure import measured, medians
from tests.checks.cuda import machines as cuda
from tests.checks.driver import machines as driver
from tests.fixtures import Content
from tests.nvml.machines import bus_files
from tests.nvml.stand_in import StandIn

RUNS = int(os.environ.get("FIRSTLIGHT_BENCH_RUNS", "7"))
ROOT = Path(__file__).resolve().parents[2]
GCM = ROOT / ".build" / "gcm"
GOALS_S = {"h100x8": 0.4, "rtx4090": 0.25}
AREAS = [area for area in ("gpu", "driver", "cuda") if any((ROOT / "checks" / area).glob("[a-z]*.py"))]
OURS = f"firstlight check --only {','.join(AREAS)}"
MODULES, PACKAGES = 6_000, 2_500  # of a usual Ubuntu server
OWN = ("/etc/os-release", "/proc/cpuinfo", "/proc/sys/kernel/hostname", "/proc/sys/kernel/tainted")  # this machine's
PROFILE = """name: bench
extends: datacenter
gpu: {driver: {enabled: true, branch: "580"}, cuda: {enabled: true}}
"""


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
        **{path: Path(path).read_text() for path in OWN}, "/sys/block/x": "",
        **files, **bus_files(name), "/proc/meminfo": "MemTotal: 527600748 kB\nMemAvailable: 501465408 kB\n",
        f"/lib/modules/{driver.KERNEL}/modules.dep": modules + str(files[f"/lib/modules/{driver.KERNEL}/modules.dep"]),
        f"/var/lib/dkms/nvidia/{driver.VERSION}/{driver.KERNEL}/x86_64/module/nvidia.ko.zst": "",
        "/var/lib/dpkg/status": packages + "\n" + str(files["/var/lib/dpkg/status"]),
        "/run/systemd/system/x": "", "/sys/bus/pci/devices/0000:00:00.0/vendor": "0x8086\n",
    }


def find_gcm() -> str | None:
    """Return gcm's command, installing it when it is not there; None where that fails."""
    command = GCM / "bin" / "health_checks"
    if not command.exists():
        print(f"installing gpucm into {GCM} …", file=sys.stderr)
        for words in ([sys.executable, "-m", "venv", str(GCM)], [str(GCM / "bin" / "pip"), "install", "-q", "gpucm"]):
            if subprocess.run(words, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
                return None
    return str(command) if command.exists() else None


def commands(gcm: str | None, gpus: int, folder: str) -> dict[str, list[str]]:
    """Return what is compared, by name."""
    python = sys.executable
    check = [python, "-m", "tests.benchmarks.planted", "check", "--level", "quick", "--no-save", "-o", "json", "--only"]
    found = {
        "python3 -c pass": [python, "-c", "pass"],
        "firstlight check --only kernel.taint": [*check, "kernel.taint"],
        OURS: [*check, ",".join(AREAS)],
        "the probe alone": [python, "-I", str(ROOT / "agent" / "machine" / "nvml_probe.py")],
        "nvitop -1": [python, "-m", "nvitop", "-1"],
    }
    if gcm:
        found["gcm check-nvidia-smi (gpu_num)"] = [
            gcm, "check-nvidia-smi", "cluster", "nagios", "--sink", "do_nothing", "--log-folder", folder, "-c",
            "gpu_num", "--gpu_num", str(gpus)]
    return found


def compare(profile: str, gpus: int, gcm: str | None) -> None:
    """Print the rows of one profile."""
    with tempfile.TemporaryDirectory() as folder:
        stand_in = StandIn(Path(folder)).use(profile)
        plant(Path(folder) / "root", tree(profile))
        (Path(folder) / "profile.yml").write_text(PROFILE)
        (Path(folder) / "state").mkdir()
        environment = {**os.environ, **stand_in.environment, "LD_LIBRARY_PATH": str(stand_in.folder),
                       "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "FIRSTLIGHT_BENCH_ROOT": f"{folder}/root",
                       "FIRSTLIGHT_CONFIG": folder, "FIRSTLIGHT_STATE": f"{folder}/state"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package is compiled
        told = commands(gcm, gpus, folder)
        answer = subprocess.run(told[OURS], capture_output=True, text=True, env=environment, check=False).stdout
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in told}
        for _ in range(RUNS):
            for name, words in told.items():
                runs[name].append(measured(words, environment))
    figures = {name: medians(many) for name, many in runs.items()}
    for name, seen in figures.items():
        note = f"goal {GOALS_S[profile]} s CPU; its code {seen['code']:.0f} is the profile's verdict" if name == OURS \
            else f"ours costs {figures[OURS]['cpu_s'] / seen['cpu_s']:.1f}x"
        if name != OURS and seen["code"]:
            note += f"; exit code {seen['code']:.0f}"
        print(f"| {gpus} | `{name}` | {seen['wall_s']:.3f} | {seen['cpu_s']:.3f} | {note} |")
    runs_told = json.loads(answer)["data"]["runs"]
    verdicts = Counter(finding["verdict"] for run in runs_told for finding in run["findings"])
    print(f"| {gpus} | {len(runs_told)} checks | | | findings: "
          f"{', '.join(f'{count} {verdict}' for verdict, count in verdicts.most_common())} |")


def main() -> None:
    """Print the table."""
    gcm = find_gcm()
    for folder in ("agent", "checks", "tests"):
        compileall.compile_dir(ROOT / folder, quiet=2)
    print(f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} CPUs, load "
          f"{os.getloadavg()[0]:.1f}; medians of {RUNS}; stand-in NVML\n")
    print("| GPUs | | wall s | CPU s | |\n|---|---|---|---|---|")
    compare("h100x8", 8, gcm)
    compare("rtx4090", 1, gcm)
    if gcm is None:
        print("\nnot measured: gcm, which could not be installed (pip install gpucm)")


if __name__ == "__main__":
    main()
