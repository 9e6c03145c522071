"""A whole monitoring stack on loopback: our exporter over stand-in cards, Debian's Prometheus and its companions."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.nvml.stand_in import StandIn

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAMS = {"prometheus": "prometheus", "prometheus-alertmanager": "prometheus-alertmanager",
            "prometheus-node-exporter": "prometheus-node-exporter"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def need(*programs: str) -> None:
    missing = [PROGRAMS.get(name, name) for name in programs if shutil.which(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)} (packages of Debian)")


def fetch(url: str, headers: dict[str, str] | None = None, timeout_s: float = 10) -> tuple[int, bytes]:
    """Return status and body, also of an error."""
    try:
        asked = urllib.request.Request(url, headers=headers or {})  # noqa: S310 - loopback
        with urllib.request.urlopen(asked, timeout=timeout_s) as answer:  # noqa: S310
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def until(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """Return the first true answer; fails the test when none came in time."""
    end = time.monotonic() + seconds
    while True:
        try:
            if seen := condition():
                return seen
        except (OSError, ValueError):
            pass
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.2)


@contextmanager
def running(log: Path, *argv: str, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the context ends."""
    with log.open("wb") as sink, subprocess.Popen(argv, stdout=sink, stderr=sink, env=env, cwd=log.parent) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def exporter(folder: Path, stand_in: StandIn, profile: str, every_s: float = 1.0,
             web_config: str = "") -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run our exporter over the stand-in; yield its address (`http://127.0.0.1:PORT`) and the process."""
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY), "MALLOC_ARENA_MAX": "2", **stand_in.environment}
    log = folder / "exporter.log"
    with running(log, sys.executable, "-m", "tests.monitoring.serve_cards", profile, str(folder), "0", str(every_s),
                 *([web_config] if web_config else []), env=env) as process:
        line = until(lambda: log.read_text().strip() or process.poll(), 180, "the exporter is ready")
        assert str(line).startswith("http"), line
        yield str(line).splitlines()[0].removesuffix("/metrics"), process


@dataclass
class Stack:
    """Addresses of what runs."""

    exporter: str
    prometheus: str
    alertmanager: str
    node: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the result of an instant query. Raises ValueError with Prometheus' own words."""
        status, body = fetch(f"{self.prometheus}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
        answer = json.loads(body)
        if status != 200:
            raise ValueError(f"{expression}: {answer.get('error')}")
        return list(answer["data"]["result"])

    def alerts(self) -> dict[str, dict[str, Any]]:
        """Return what Alertmanager holds, by the alert's name."""
        _, body = fetch(f"{self.alertmanager}/api/v2/alerts")
        return {alert["labels"]["alertname"]: alert for alert in json.loads(body)}


def hurried(rules: Path, folder: Path) -> str:
    """Return a copy of a rule file whose `for:` are two seconds; expressions and thresholds stay."""
    document = yaml.safe_load(rules.read_text())
    for group in document["groups"]:
        for rule in group["rules"]:
            if "for" in rule:
                rule["for"] = "2s"
    copy = folder / rules.name
    copy.write_text(yaml.safe_dump(document, allow_unicode=True))
    return str(copy)


@contextmanager
def stack(folder: Path, address: str, rules: list[Path]) -> Iterator[Stack]:
    """Run Prometheus, Alertmanager and node_exporter around an exporter; a second target is dead."""
    need(*PROGRAMS)
    ports = {name: free_port() for name in ("prometheus", "alertmanager", "cluster", "node", "dead")}

    def at(name: str) -> str:
        return f"127.0.0.1:{ports[name]}"

    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [hurried(file, folder) for file in rules],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [at("alertmanager")]}]}]},
        "scrape_configs": [
            {"job_name": "firstlight", "static_configs": [{"targets": [address.removeprefix("http://"), at("dead")]}]},
            {"job_name": "node", "static_configs": [{"targets": [at("node")]}]},
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(
        {"route": {"receiver": "nobody", "group_wait": "1s"}, "receivers": [{"name": "nobody"}]}))
    with ExitStack() as kept:
        kept.enter_context(running(folder / "node.log", "prometheus-node-exporter",
                                   f"--web.listen-address={at('node')}"))
        kept.enter_context(running(
            folder / "alertmanager.log", "prometheus-alertmanager", f"--config.file={folder}/alertmanager.yml",
            f"--web.listen-address={at('alertmanager')}", f"--storage.path={folder}/alertmanager",
            "--cluster.listen-address="))
        kept.enter_context(running(
            folder / "prometheus.log", "prometheus", f"--config.file={folder}/prometheus.yml",
            f"--web.listen-address={at('prometheus')}", f"--storage.tsdb.path={folder}/tsdb"))
        made = Stack(address, *(f"http://{at(name)}" for name in ("prometheus", "alertmanager", "node")))
        until(lambda: fetch(f"{made.prometheus}/-/ready")[0] == 200, 30, "Prometheus is ready")
        until(lambda: fetch(f"{made.alertmanager}/-/ready")[0] == 200, 30, "Alertmanager is ready")
        yield made
