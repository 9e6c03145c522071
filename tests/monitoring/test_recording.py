"""Every recording rule against a small fleet, by promtool: two cohorts, a machine with both cards, one with none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring.test_rules import RECORDING, promtool, rules

pytestmark = pytest.mark.node
CARDS = {"alike:1": {"GPU-a": "H200", "GPU-b": "H200"}, "mixed:1": {"GPU-c": "H200", "GPU-d": "RTX"}}
DRIVER = "580.1"


def series(metric: str, instance: str, value: float, /, **labels: str) -> dict[str, str]:
    told = ",".join(f'{key}="{text}"' for key, text in {"job": "firstlight", "instance": instance, **labels}.items())
    return {"series": f"firstlight_{metric}{{{told}}}", "values": f"{value}x9"}


def fleet() -> list[dict[str, str]]:
    """Return two machines with the cards above, and one (`odd:1`) that shows none; averages of three come out even."""
    found = []
    for number, (instance, cards) in enumerate(CARDS.items()):
        for place, (uuid, name) in enumerate(cards.items()):
            found += [
                series("gpu_info", instance, 1, uuid=uuid, name=name, driver_version=DRIVER),
                series("gpu_temperature_celsius", instance, 40 + 30 * place, uuid=uuid),
                series("gpu_power_watts", instance, 100 + 150 * place, uuid=uuid),
                series("gpu_utilization_ratio", instance, 0.5 * place, uuid=uuid),
                series("gpu_up", instance, 1, uuid=uuid),
                series("smoke_figure", instance, 11 * number + place, uuid=uuid, smoke="bandwidth", figure="copy"),
            ]
        found.append(series("smoke_figure", instance, 7 + number, uuid="", smoke="all-reduce", figure="bus"))
    found.append(series("smoke_figure", "odd:1", 1e6, uuid="GPU-gone", smoke="bandwidth", figure="copy"))
    for instance in (*CARDS, "odd:1"):
        found += [series("build_info", instance, 1, version="1", python="3.11"),
                  series("profile_info", instance, 1, profile="p", digest="d"),
                  series("check_verdict", instance, 1, check="a.b", subject="x", verdict="fail"),
                  series("check_verdict", instance, 1, check="a.b", subject="y", verdict="fail"),
                  series("check_verdict", instance, 1, check="a.c", subject="", verdict="pass"),
                  series("drift_items", instance, 2, against="profile", check="a.b"),
                  series("drift_items", instance, 1, against="profile", check="a.c"),
                  series("drift_info", instance, 1, against="profile", fingerprint="beef")]
    return found


def one(instance: str, **labels: str) -> dict[str, str]:
    return {"job": "firstlight", "instance": instance, **labels}


def by_machine(value: float, **labels: str) -> list[tuple[dict[str, str], float]]:
    return [(one(instance, **labels), value) for instance in (*CARDS, "odd:1")]


EXPECTED: dict[str, list[tuple[dict[str, str], float]]] = {
    "firstlight:machine_verdicts:count": by_machine(2, verdict="fail") + by_machine(1, verdict="pass"),
    "firstlight:machine_drift:sum": by_machine(3, against="profile"),
    "firstlight:machine_gpu_temperature_celsius:max": [(one(instance), 70) for instance in CARDS],
    "firstlight:machine_gpu_power_watts:sum": [(one(instance), 350) for instance in CARDS],
    "firstlight:machine_gpu_utilization_ratio:avg": [(one(instance), 0.25) for instance in CARDS],
    "firstlight:machine_gpus_answering:sum": [(one(instance), 2) for instance in CARDS],
    "firstlight:fleet_machines:count": [({"version": "1"}, 3)],
    "firstlight:fleet_profiles:count": [({"profile": "p", "digest": "d"}, 3)],
    "firstlight:fleet_failing_machines:count": [({"check": "a.b"}, 3)],
    "firstlight:fleet_drift_fingerprint:count": [({"against": "profile", "fingerprint": "beef"}, 3)],
    "firstlight:cohort_gpus:count": [({"name": "H200", "driver_version": DRIVER}, 3),
                                     ({"name": "RTX", "driver_version": DRIVER}, 1)],
    "firstlight:cohort_gpu_temperature_celsius:avg": [({"name": "H200", "driver_version": DRIVER}, 50),
                                                      ({"name": "RTX", "driver_version": DRIVER}, 70)],
    "firstlight:cohort_gpu_power_watts:avg": [({"name": "H200", "driver_version": DRIVER}, 150),
                                              ({"name": "RTX", "driver_version": DRIVER}, 250)],
    "firstlight:cohort_smoke_figure:avg": [  # of all cards at once only where they are alike
        ({"smoke": "bandwidth", "figure": "copy", "name": "H200"}, 4),
        ({"smoke": "bandwidth", "figure": "copy", "name": "RTX"}, 12),
        ({"smoke": "all-reduce", "figure": "bus", "name": "H200"}, 7)],
}


def written(labels: dict[str, str], name: str) -> str:
    return name + "{" + ",".join(f'{key}="{text}"' for key, text in labels.items()) + "}"


def asked(name: str, file: Path, folder: Path) -> str:
    """Return what promtool says of one rule's samples over the fleet."""
    samples = [{"labels": written(labels, name), "value": value} for labels, value in EXPECTED[name]]
    test: dict[str, Any] = {"interval": "1m", "input_series": fleet(), "promql_expr_test": [
        {"expr": name, "eval_time": "5m", "exp_samples": samples}]}
    (folder / "test.yml").write_text(yaml.safe_dump(
        {"rule_files": [str(file)], "evaluation_interval": "1m", "tests": [test]}))
    return promtool("test", "rules", str(folder / "test.yml"))


def test_every_recording_rule_is_asked() -> None:
    assert [rule["record"] for rule in rules(RECORDING)] == list(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_recording_rule_gives_its_figures_for_a_fleet(name: str, tmp_path: Path) -> None:
    assert "SUCCESS" in asked(name, RECORDING, tmp_path)


def test_a_join_by_machine_alone_would_be_seen(tmp_path: Path) -> None:
    broken = RECORDING.read_text().replace(
        "firstlight_smoke_figure * on (job, instance, uuid) group_left (name) firstlight_gpu_info",
        "firstlight_smoke_figure * on (job, instance) group_left (name) "
        "group by (job, instance, name) (firstlight_gpu_info)")
    assert broken != RECORDING.read_text()
    (tmp_path / "broken.yml").write_text(broken)
    with pytest.raises(AssertionError, match=r"many-to-many|FAILED"):
        asked("firstlight:cohort_smoke_figure:avg", tmp_path / "broken.yml", tmp_path)
