"""What cohort comparison costs: N collected reports of realistic size, in a process of its own.

    python -m tests.benchmarks.drift_bench [COUNT …]     (default 1000 2500 5000 10000)

Each report has 700 packages, 400 kernel settings and 300 other facts; 1 in 100 machines has one of three drifts.
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from agent.drift.document import head
from agent.model.drift import Fingerprint
from agent.report.json import render_envelope
from tests.benchmarks.measure import measured

COUNTS = (1000, 2500, 5000, 10_000)
SIZES = {
    "package": 700,
    "sysctl": 400,
    "unit": 120,
    "unit-file": 30,
    "etc": 40,
    "image": 40,
    "limit": 10,
    "group": 10,
    "user": 5,
    "cron": 15,
    "apt-source": 5,
    "daemon-json": 6,
    "gpu": 20,
}
ODD_SHARE = 100


def facts_of(number: int) -> dict[str, dict[str, str]]:
    """Return the facts of machine `number`: those of all, and for one in a hundred a drift."""
    facts = {
        area: {
            f"{area}-{index:04}": f"{index % 9}.{index % 7}.{index}-1+deb12u{index % 5}"
            for index in range(count)
        }
        for area, count in SIZES.items()
    }
    if number % ODD_SHARE == 17:
        area, key, value = random.Random(number).choice(
            [
                ("package", "package-0007", "9.9.9-1"),
                ("group", "docker", "eve"),
                ("sysctl", "sysctl-0100", "1"),
            ]
        )
        facts[area][key] = value
    facts["fstab-device"] = {"/": f"UUID={number:032x}"}
    return facts


def report_text(number: int) -> str:
    """Return the report of machine `number`, as `firstlight drift --facts -o json` prints it."""
    taken = Fingerprint(
        f"node-{number:05}",
        ("rtx-workstation", "datacenter")[number % 2],
        "0123456789ab",
        "debian 12 x86_64",
        1_780_000_000.0 + number,
        facts_of(number),
    )
    data: dict[str, Any] = {
        "head": head(taken) | {"drifts": 0, "ignore": []},
        "drifts": [],
        "ended": [],
        "unseen": {},
        "unread": {},
        "facts": taken.facts,
    }
    return render_envelope(data, command="drift")


def write_fleet(folder: Path, count: int) -> int:
    """Write `count` reports and return their bytes."""
    return sum((folder / f"node-{number:05}.json").write_text(report_text(number)) for number in range(count))


def main(counts: tuple[int, ...]) -> None:
    """Print the table, smallest fleet first; the files grow from one row to the next."""
    command = [
        sys.executable,
        "-c",
        "import sys; from agent.cli.main import main; sys.exit(main())",
        "fleet",
        "drift",
        "-o",
        "json",
        "--from",
    ]
    print(
        f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}; medians of 3; "
        f"reports of {len(report_text(0)) >> 10} KiB\n"
    )
    print("| machines | wall s | CPU s | peak MB | CPU ms a machine |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as place:
        for count in counts:
            folder = Path(place)
            for number in range(len(list(folder.glob("*.json"))), count):
                (folder / f"node-{number:05}.json").write_text(report_text(number))
            runs = [measured([*command, place]) for _ in range(3)]
            assert {run["code"] for run in runs} == {1.0}
            row = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
            print(
                f"| {count} | {row['wall_s']:.2f} | {row['cpu_s']:.2f} | {row['peak_mb']:.0f} | "
                f"{row['cpu_s'] / count * 1000:.3f} |",
                flush=True,
            )


if __name__ == "__main__":
    main(tuple(int(word) for word in sys.argv[1:]) or COUNTS)
