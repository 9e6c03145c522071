"""Fifty scrapers at once while NVML hangs, dies and loses cards. `python -m tests.monitoring.soak SECONDS`."""

from __future__ import annotations

import http.client
import json
import re
import socket
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from agent.state.history import History
from tests.monitoring.reports import report
from tests.monitoring.serve_cards import HOSTNAME
from tests.monitoring.stack import exporter
from tests.nvml.stand_in import PROFILES, StandIn

PROFILE, SCRAPERS, SILENT, EVERY_S = "h100x8", 50, 10, 1.0
FAULTS: dict[str, tuple[str, ...]] = {
    "healthy": (), "lost": ("gpu3.lost = 1",), "vanished": ("gpus = 7",),
    "hung": ("hang.nvmlDeviceGetPowerUsage = -1",), "healthy again": (),
    "crashed": ("crash.nvmlDeviceGetFanSpeed = 1",),
    "hung at once": ("hang.nvmlInit = -1", "hang.nvmlInitWithFlags = -1", "hang.nvmlInit_v2 = -1"),
    "healthy at last": (), "no driver": ("init = 9",),
}
PHASE_S = 9.0
AGE = re.compile(rb'^firstlight_check_age_seconds{check="gpu.check-099"} (\S+)', re.MULTILINE)
STATE = re.compile(rb'^firstlight_(?:nvml|gpu)_state{state="(\w+)"[^}]*} 1.0', re.MULTILINE)


@dataclass
class Tally:
    """What the scrapers saw."""

    latencies_s: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    states: set[str] = field(default_factory=set)
    oldest_s: float = 0.0
    rss_kib: list[int] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)


def scrape(port: int, tally: Tally, ended: threading.Event) -> None:
    """Ask again and again on one connection; note what is not a whole page, and an age that did not grow."""
    connection, last = http.client.HTTPConnection("127.0.0.1", port, timeout=20), -1.0
    while not ended.wait(0.9):
        began = time.perf_counter()
        try:
            connection.request("GET", "/metrics")
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            tally.wrong.append(f"{type(error).__name__}: {error}")
            connection.close()
            continue
        tally.latencies_s.append(time.perf_counter() - began)
        age = AGE.search(body)
        if answer.status != 200 or age is None or b"firstlight_scrapes_total" not in body:
            tally.wrong.append(f"{answer.status}: {body[:80]!r}")
        elif float(age[1]) <= last:
            tally.wrong.append(f"the age went from {last} to {float(age[1])}")
        else:
            last = float(age[1])
            tally.oldest_s = max(tally.oldest_s, last)
        tally.states.update(state.decode() for state in STATE.findall(body))
    connection.close()


def look(pid: int, tally: Tally) -> None:
    """Note memory and threads of the exporter."""
    status = Path(f"/proc/{pid}/status").read_text()
    tally.rss_kib.append(int(re.findall(r"VmRSS:\s+(\d+)", status)[0]))
    tally.threads.append(int(re.findall(r"Threads:\s+(\d+)", status)[0]))


def soak(seconds: float, folder: Path, stand_in: StandIn) -> Tally:
    """Return what fifty scrapers saw in that time; ten clients more connect and say nothing."""
    history = History(folder)
    history.add_report(report(HOSTNAME, subjects=8))
    stand_in.use(PROFILE)
    tally, ended = Tally(), threading.Event()
    with exporter(folder, stand_in, PROFILE, EVERY_S) as (address, process):
        port = int(address.rpartition(":")[2])
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(SILENT)]
        workers = [threading.Thread(target=scrape, args=(port, tally, ended)) for _ in range(SCRAPERS)]
        for worker in workers:
            worker.start()
        end, phase = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            stand_in.write("\n".join((PROFILES[PROFILE].read_text(), *list(FAULTS.values())[phase % len(FAULTS)])))
            until = min(end, time.monotonic() + PHASE_S)
            while time.monotonic() < until:
                time.sleep(1)
                look(process.pid, tally)
            if phase % 4 == 0:
                history.add_report(report(HOSTNAME, subjects=8, checks=90, level="standard"))
            phase += 1
        ended.set()
        for worker in workers:
            worker.join()
        for connection in silent:
            connection.close()
        assert process.poll() is None, "the exporter ended"
    history.close()
    return tally


def figures(tally: Tally) -> dict[str, float]:
    """Return the figures of a soak. Memory is compared after a fifth of the time and in the last fifth."""
    times, part = sorted(tally.latencies_s), max(1, len(tally.rss_kib) // 5)
    return {
        "scrapes": len(times), "wrong": len(tally.wrong),
        "p50_ms": round(statistics.median(times) * 1e3, 2), "p99_ms": round(times[int(len(times) * 0.99)] * 1e3, 2),
        "max_ms": round(times[-1] * 1e3, 2),
        "rss_early_mb": round(max(tally.rss_kib[part:2 * part]) / 1024, 1),
        "rss_late_mb": round(max(tally.rss_kib[-part:]) / 1024, 1), "threads": max(tally.threads),
        "oldest_age_s": round(tally.oldest_s, 1),
    }


def main(seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tally = soak(seconds, Path(folder), StandIn(Path(folder)))
    tenth = max(1, len(tally.rss_kib) // 10)
    by_tenth = [round(max(tally.rss_kib[at:at + tenth]) / 1024, 1) for at in range(0, len(tally.rss_kib), tenth)]
    print(json.dumps({**figures(tally), "rss_mb_by_tenth": by_tenth, "states": sorted(tally.states),
                      "first_wrong": tally.wrong[:3]}))


if __name__ == "__main__":
    main(float(sys.argv[1]))
