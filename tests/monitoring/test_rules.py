"""Every alert fires on its fault after its `for:`, not before, and not without; by Debian's promtool."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent.exporter.metrics import METRICS
from agent.resources import playbooks
from tests.monitoring.faults import CASES

pytestmark = pytest.mark.node
FILES = playbooks() / "roles/monitoring/files/rules"
ALERTS, RECORDING = FILES / "firstlight-alerts.yml", FILES / "firstlight-recording.yml"
UNITS = {"m": 1, "h": 60, "d": 1440}


def promtool(*words: str, text: str = "") -> str:
    if shutil.which("promtool") is None:
        pytest.skip("needs promtool (package prometheus)")
    done = subprocess.run(["promtool", *words], input=text, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def rules(file: Path) -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]]


def minutes(duration: str) -> int:
    return int(duration[:-1]) * UNITS[duration[-1]]


def firing(name: str, at_min: int, count: int) -> dict[str, Any]:
    samples = [{"labels": "{}", "value": count}] if count else []
    return {"expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}})', "eval_time": f"{at_min}m",
            "exp_samples": samples}


def cases() -> list[dict[str, Any]]:
    """Return promtool's tests: each alert at fault and quiet, nothing else in the world."""
    waits = {rule["alert"]: minutes(rule["for"]) for rule in rules(ALERTS)}
    found = []
    for name, case in CASES.items():
        wait = waits[name]
        step = 60 if wait > 1000 else 1
        last = wait + 20 * step
        for series, count in ((case.fault, 1), (case.quiet, 0)):
            inputs = [{"series": one, "values": values.format(n=last // step)} for one, values in series.items()]
            tests = [firing(name, last, count)]
            if count and wait > 1:
                tests.append(firing(name, wait - 1, 0))
            found.append({"name": f"{name} {'at fault' if count else 'quiet'}", "interval": f"{step}m",
                          "input_series": inputs, "promql_expr_test": tests})
    return found


def test_every_alert_has_a_fault_and_every_fault_an_alert() -> None:
    assert {rule["alert"] for rule in rules(ALERTS)} == set(CASES)


def test_the_rules_are_valid() -> None:
    assert "FAILED" not in promtool("check", "rules", "--lint-fatal", str(ALERTS), str(RECORDING))


@pytest.mark.parametrize("step", ["1m", "1h"])
def test_every_alert_fires_on_its_fault_and_not_without(step: str, tmp_path: Path) -> None:
    chosen = [case for case in cases() if case["interval"] == ("60m" if step == "1h" else "1m")]
    file = tmp_path / "alerts.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(ALERTS)], "evaluation_interval": step, "tests": chosen}))
    assert "SUCCESS" in promtool("test", "rules", str(file))


def test_an_alert_without_its_fault_would_be_seen(tmp_path: Path) -> None:
    broken = ALERTS.read_text().replace("temperature_celsius > 85", "temperature_celsius > 90")
    (tmp_path / "broken.yml").write_text(broken)
    chosen = [case for case in cases() if case["name"].startswith("FirstlightGpuHot")]
    file = tmp_path / "alerts.yml"
    file.write_text(yaml.safe_dump({"rule_files": ["broken.yml"], "evaluation_interval": "1m", "tests": chosen}))
    with pytest.raises(AssertionError, match="FAILED"):
        promtool("test", "rules", str(file))


def test_every_alert_says_what_was_seen_and_what_to_do() -> None:
    for rule in rules(ALERTS):
        assert "{{ $labels.instance }}" in rule["annotations"]["summary"], rule["alert"]
        assert len(rule["annotations"]["description"]) > 40, rule["alert"]
        assert rule["labels"]["severity"] in ("critical", "warning", "info")


def test_rules_name_only_metrics_that_exist() -> None:
    expressions = " ".join(rule["expr"] for rule in rules(ALERTS) + rules(RECORDING))
    named = set(re.findall(r"\bfirstlight_[a-z_]+", expressions))
    assert named
    assert named <= set(METRICS)
