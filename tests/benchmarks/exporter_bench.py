"""What the exporter costs beside nvitop-exporter and node_exporter, in one run on one machine.

    python -m tests.benchmarks.exporter_bench [--seconds 120] [--scrapes 300] [--soak 3600]

Eight stand-in H100 cards and a report of 100 checks. Scrapes alternate between them, on connections that
stay open where the exporter lets them, as Prometheus does. The last row is what the machine itself costs at this load:
a page of node_exporter that measures nothing. CPU is that of the process and of the children it waited for, while it
is scraped every 15 s. `--soak` runs the hour of faults after.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen

from agent.state.history import History
from tests.monitoring.reports import report
from tests.monitoring.serve_cards import HOSTNAME
from tests.monitoring.soak import figures, soak
from tests.monitoring.stack import exporter, fetch, free_port, running, until
from tests.nvml.stand_in import StandIn

SCRAPE_EVERY_S, SAMPLE_EVERY_S = 15.0, 30.0
PROFILE, CHECKS = "h100x8", 100
ACCEPT = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
          "Accept-Encoding": "gzip"}


@dataclass
class Peer:
    """One exporter and what was measured of it."""

    name: str
    port: int
    process: Popen[bytes]
    path: str = "/metrics"
    times_s: list[float] = field(default_factory=list)
    cpu_s: float = 0.0
    scrape_cpu_s: float = 0.0
    bytes: int = 0

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)

    def scrape(self) -> None:
        """Ask once, as Prometheus does: on the connection there is."""
        began = time.perf_counter()
        self.connection.request("GET", self.path, headers=ACCEPT)
        self.bytes = len(self.connection.getresponse().read())
        self.times_s.append(time.perf_counter() - began)

    def used_cpu_s(self) -> float:
        """Return CPU seconds so far, those of children that have ended included."""
        words = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, words[11:15])) / os.sysconf("SC_CLK_TCK")

    def rss_mb(self) -> float:
        """Return the resident set now."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("VmRSS"))) / 1024


def peers(folder: Path, stand_in: StandIn, kept: ExitStack) -> list[Peer]:
    """Start the three."""
    history = History(folder)
    history.add_report(report(HOSTNAME, checks=CHECKS, subjects=8))
    history.close()
    address, ours = kept.enter_context(exporter(folder, stand_in, PROFILE, SAMPLE_EVERY_S))
    found = [Peer("firstlight serve", int(address.rpartition(":")[2]), ours)]
    port = free_port()
    env = {**os.environ, **stand_in.environment, "LD_LIBRARY_PATH": str(stand_in.folder)}
    process = kept.enter_context(running(
        folder / "nvitop.log", str(Path(sys.executable).with_name("nvitop-exporter")),
        "--bind-address", "127.0.0.1", "--port", str(port), env=env))
    found.append(Peer("nvitop-exporter (its 1 s interval)", port, process))
    port = free_port()
    process = kept.enter_context(running(
        folder / "node.log", "prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{port}"))
    found.append(Peer("prometheus-node-exporter", port, process))
    for peer in found:
        until(lambda peer=peer: fetch(f"http://127.0.0.1:{peer.port}/metrics")[0] == 200,  # type: ignore[misc]
              60, peer.name)
    until(lambda: b"firstlight_gpu_up" in fetch(f"{address}/metrics")[1], 60, "eight cards")
    return [*found, Peer("(floor: node_exporter's empty page)", port, process, "/")]


def measure(found: list[Peer], scrapes: int, seconds: float) -> None:
    """Scrape in turn for the latencies, then every 15 s for the CPU."""
    for peer in found:
        peer.scrape()
        peer.times_s.clear()
    before = [peer.used_cpu_s() for peer in found]
    for _ in range(scrapes):
        for peer in found:
            peer.scrape()
            time.sleep(0.01)
    for peer, used in zip(found, before, strict=True):
        peer.scrape_cpu_s = (peer.used_cpu_s() - used) / scrapes
    before = [peer.used_cpu_s() for peer in found]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for peer in found:
            peer.scrape()
        time.sleep(min(SCRAPE_EVERY_S, max(0.0, end - time.monotonic())))
    for peer, used in zip(found, before, strict=True):
        peer.cpu_s = peer.used_cpu_s() - used


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--scrapes", type=int, default=300)
    parser.add_argument("--soak", type=float, default=0)
    args = parser.parse_args()
    print(f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} CPUs, load "
          f"{os.getloadavg()[0]:.1f}; {args.scrapes} scrapes each in turn, CPU over {args.seconds:g} s\n")
    print("| exporter | p50 ms | p99 ms | max ms | CPU ms a scrape | RSS MB | % of a core | bytes |\n"
          "|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as kept:
        stand_in = StandIn(Path(folder)).use(PROFILE)
        found = peers(Path(folder), stand_in, kept)
        measure(found, args.scrapes, args.seconds)
        for peer in found:
            times = sorted(peer.times_s)
            shown = (statistics.median(times), times[int(len(times) * 0.99)], times[-1])
            print(f"| {peer.name} | {' | '.join(f'{value * 1e3:.2f}' for value in shown)} | "
                  f"{peer.scrape_cpu_s * 1e3:.2f} | {peer.rss_mb():.1f} | "
                  f"{peer.cpu_s / args.seconds * 100:.2f} | {peer.bytes} |")
    print(f"\nload at the end {os.getloadavg()[0]:.1f}")
    if args.soak:
        with tempfile.TemporaryDirectory() as folder:
            tally = soak(args.soak, Path(folder), StandIn(Path(folder)))
        print("\nsoak: " + json.dumps({"seconds": args.soak, **figures(tally), "states": sorted(tally.states)}))


if __name__ == "__main__":
    main()
