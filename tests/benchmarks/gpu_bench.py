"""`python -m tests.benchmarks.gpu_bench`: what all quick checks of GPU, driver and CUDA cost, beside nvitop and gcm.

All on the same stand-in NVML library, in turn, medians; CPU is of the process and everything it started. gcm pins
other versions of what we use, so it lives in an environment of its own, made at the first run; where it cannot be
installed it is left out by name.
"""

from __future__ import annotations

import compileall
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.measure import measured, medians
from tests.nvml.stand_in import StandIn

RUNS = int(os.environ.get("FIRSTLIGHT_BENCH_RUNS", "7"))
ROOT = Path(__file__).resolve().parents[2]
GCM = ROOT / ".build" / "gcm"
GOALS_S = {"h100x8": 0.4, "rtx4090": 0.25}
AREAS = [area for area in ("gpu", "driver", "cuda") if any((ROOT / "checks" / area).glob("[a-z]*.py"))]
OURS = f"firstlight check --only {','.join(AREAS)}"


def find_gcm() -> str | None:
    """Return gcm's command, installing it when it is not there; None where that fails."""
    command = GCM / "bin" / "health_checks"
    if not command.exists():
        print(f"installing gpucm into {GCM} …", file=sys.stderr)
        for words in ([sys.executable, "-m", "venv", str(GCM)], [str(GCM / "bin" / "pip"), "install", "-q", "gpucm"]):
            if subprocess.run(words, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
                return None
    return str(command) if command.exists() else None


def commands(gcm: str | None, gpus: int, logs: str) -> dict[str, list[str]]:
    """Return what is compared, by name."""
    python = sys.executable
    check = [python, "-m", "tests.nvml.command", "check", "--level", "quick", "--no-save", "--profile", "datacenter",
             "-o", "json", "--only"]
    found = {
        "python3 -c pass": [python, "-c", "pass"],
        "firstlight check --only kernel.taint": [*check, "kernel.taint"],
        OURS: [*check, ",".join(AREAS)],
        "the probe alone": [python, "-I", str(ROOT / "agent" / "machine" / "nvml_probe.py")],
        "nvitop -1": [python, "-m", "nvitop", "-1"],
    }
    if gcm:
        found["gcm check-nvidia-smi (gpu_num)"] = [
            gcm, "check-nvidia-smi", "cluster", "nagios", "--sink", "do_nothing", "--log-folder", logs, "-c", "gpu_num",
            "--gpu_num", str(gpus)]
    return found


def compare(profile: str, gpus: int, gcm: str | None) -> None:
    """Print the rows of one profile."""
    with tempfile.TemporaryDirectory() as folder:
        stand_in = StandIn(Path(folder)).use(profile)
        environment = {**os.environ, **stand_in.environment, "LD_LIBRARY_PATH": str(stand_in.folder),
                       "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package is compiled
        told = commands(gcm, gpus, folder)
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
