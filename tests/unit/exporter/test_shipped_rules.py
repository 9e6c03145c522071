"""Rules and dashboards as data: they name only metrics, labels and checks that exist. promtool asks the rest."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import checks
from agent.engine.discovery import load_checks
from agent.exporter.metrics import METRICS
from agent.resources import playbooks

FILES = playbooks() / "roles/monitoring/files"
DASHBOARDS = sorted((FILES / "dashboards").glob("*.json"))
SELECTOR = re.compile(r"\b(firstlight_[a-z_]+)\{([^}]*)\}")
FROM_PROMETHEUS = {"instance", "job"}


def rules(name: str) -> list[dict[str, Any]]:
    document = yaml.safe_load((FILES / "rules" / name).read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


ALERTS, RECORDS = rules("firstlight-alerts.yml"), rules("firstlight-recording.yml")


def expressions(file: Path) -> list[str]:
    panels = json.loads(file.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", ())]


SAID = [rule["expr"] for rule in ALERTS + RECORDS] + [one for file in DASHBOARDS for one in expressions(file)]


def test_only_metrics_and_labels_that_exist_are_asked_for() -> None:
    for expression in SAID:
        assert set(re.findall(r"\bfirstlight_[a-z_]+", expression)) <= set(METRICS), expression
        for name, selected in SELECTOR.findall(expression):
            labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selected))
            assert labels <= {*METRICS[name].labels, *FROM_PROMETHEUS}, expression


def test_only_recorded_series_that_are_recorded_are_asked_for() -> None:
    recorded = {rule["record"] for rule in RECORDS}
    asked = {name for one in SAID for name in re.findall(r"\bfirstlight:[a-z_]+:[a-z]+", one)}
    assert asked <= recorded
    assert asked


def test_alerts_send_people_to_checks_that_exist() -> None:
    known = set(load_checks(checks, ()))
    told = {name for rule in ALERTS for name in re.findall(r"--only ([a-z]+\.[a-z-]+)", str(rule["annotations"]))}
    assert told <= known
    assert len(told) > 5


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_have_titles_queries_and_do_not_overlap(file: Path) -> None:
    board = json.loads(file.read_text())
    assert board["uid"] == file.stem
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        assert panel["title"]
        assert panel["type"] == "row" or panel["targets"]
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
