"""What asking a fleet costs the controller: CPU a machine, and memory while all forks run.

    python -m tests.benchmarks.fleet_bench [COUNT …]     (default 10 50)

Every machine is this one, reached without SSH, and answers a canned report at once: what is left is Ansible's share
and ours. SSH adds its handshake, a machine its own look.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from agent.report.json import render_envelope

COUNTS = (10, 50)


def inventory_of(count: int, folder: Path) -> Path:
    """Write an inventory of `count` machines that answer at once, and return its path."""
    stub = folder / "answer"
    stub.write_text(f"#!/bin/sh\ncat <<'END'\n{render_envelope([], command='report list')}END\n")
    stub.chmod(0o755)
    body = {"ansible_connection": "local", "firstlight_command": str(stub)}
    hosts = {f"node-{number:04}": body for number in range(count)}
    path = folder / "hosts.yml"
    path.write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
    return path


def memory_mb(leader: int) -> float:
    """Return the memory of a process and its descendants in MB, shared pages counted once (PSS)."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(path.parent.name)] = int(fields[1])
    family, total = {leader}, 0.0
    while more := {pid for pid, parent in parents.items() if parent in family and pid not in family}:
        family |= more
    for pid in family:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total / 1024


def measured(count: int) -> dict[str, float]:
    """Return wall and CPU seconds and the most memory seen of one `fleet status`."""
    with tempfile.TemporaryDirectory() as place:
        path = inventory_of(count, Path(place))
        program = "import sys; from agent.cli.main import main; sys.exit(main())"
        argv = [sys.executable, "-c", program, "fleet", "status", "-o", "json", "-i", str(path), "--deadline", "600"]
        before, began, peak = os.times(), time.perf_counter(), 0.0
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as child:
            while child.poll() is None:
                peak = max(peak, memory_mb(child.pid))
                time.sleep(0.5)
        after = os.times()
        assert child.returncode == 0, child.returncode
        cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
        return {"wall_s": time.perf_counter() - began, "cpu_s": cpu_s, "peak_mb": peak}


def main(counts: tuple[int, ...]) -> None:
    """Print the table."""
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}\n")
    print("| machines | wall s | CPU s | MB with all forks | CPU ms a machine |\n|---|---|---|---|---|")
    for count in counts:
        row = measured(count)
        print(f"| {count} | {row['wall_s']:.1f} | {row['cpu_s']:.2f} | {row['peak_mb']:.0f} | "
              f"{row['cpu_s'] / count * 1000:.0f} |", flush=True)


if __name__ == "__main__":
    main(tuple(int(word) for word in sys.argv[1:]) or COUNTS)
