"""The real thing on loopback: Prometheus scrapes, alerts reach Alertmanager, every panel's query has data."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from agent.model.plan import Outcome, Run
from agent.model.verdict import Verdict
from agent.resources import playbooks
from agent.state.history import History
from tests.monitoring.reports import report
from tests.monitoring.serve_cards import HOSTNAME
from tests.monitoring.stack import Stack, exporter, fetch, stack, until
from tests.nvml.stand_in import StandIn

pytestmark = [pytest.mark.node, pytest.mark.timeout(240)]
FILES = playbooks() / "roles/monitoring/files"
RULES = [FILES / "rules/firstlight-alerts.yml", FILES / "rules/firstlight-recording.yml"]
DASHBOARDS = sorted((FILES / "dashboards").glob("*.json"))
INJECTED = {
    "FirstlightGpuHot": "91 °C", "FirstlightGpuLost": "is lost", "FirstlightCheckFailed": "kernel.check-000",
    "FirstlightApplyFailed": "refused", "FirstlightSmokeFailed": "lora", "FirstlightDrift": "2 things",
    "FirstlightExporterDown": "does not answer", "FirstlightGpuSlowedDown": "hw_thermal",
}
VERDICTS = {"kernel.check-000": Verdict.FAIL, "storage.check-001": Verdict.WARN, "container.check-002": Verdict.UNKNOWN}


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    return StandIn(tmp_path_factory.mktemp("cards")).use("h100x8")


@pytest.fixture(scope="module")
def whole(cards: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    history = History(folder)
    history.add_report(report(HOSTNAME, verdicts=VERDICTS))
    now = time.time()
    history.add_run(Run("1", "apply", "datacenter", (), Outcome.DONE, now - 9, now, ()), HOSTNAME)
    with exporter(folder, cards, "h100x8") as (address, _), stack(folder, address, RULES) as made:
        until(lambda: made.query('up{job="firstlight"} == 1'), 30, "the first scrape")
        until(lambda: len(made.query("firstlight_gpu_up == 1")) == 8, 30, "eight cards")
        until(lambda: made.query('up{job="node"} == 1'), 30, "node_exporter")
        assert "FirstlightGpuHot" not in made.alerts()
        assert "FirstlightApplyFailed" not in made.alerts()
        cards.add("gpu0.temperature = 91", "gpu1.event_reasons = 0x40", "gpu3.lost = 1")
        history.add_run(Run("2", "apply", "datacenter", (), Outcome.REFUSED, now, now + 1, ()), HOSTNAME)
        yield made
    history.close()


@pytest.mark.parametrize("name", INJECTED)
def test_an_injected_fault_reaches_alertmanager(whole: Stack, name: str) -> None:
    alert = until(lambda: whole.alerts().get(name), 60, f"{name} in Alertmanager")
    assert INJECTED[name] in alert["annotations"]["summary"]
    assert "error expanding" not in json.dumps(alert["annotations"])


def test_other_alerts_stay_silent(whole: Stack) -> None:
    until(lambda: set(INJECTED) <= set(whole.alerts()), 60, "all injected alerts")
    assert set(whole.alerts()) - set(INJECTED) <= {"FirstlightCheckUnknown"}


def test_prometheus_negotiates_openmetrics_and_finds_no_fault(whole: Stack) -> None:
    assert whole.query(f'scrape_samples_scraped{{job="firstlight",instance="{_instance(whole)}"}} > 600')
    _, body = fetch(f"{whole.prometheus}/api/v1/targets")
    (ours,) = [target for target in json.loads(body)["data"]["activeTargets"]
               if target["labels"]["instance"] == _instance(whole)]
    assert ours["lastError"] == ""


def test_the_lost_card_says_so_and_has_no_readings(whole: Stack) -> None:
    (lost,) = until(lambda: whole.query('firstlight_gpu_state{state="lost"} == 1'), 30, "the lost card")
    uuid = lost["metric"]["uuid"]
    assert uuid.endswith("000000000004")
    assert until(lambda: not whole.query(f'firstlight_gpu_temperature_celsius{{uuid="{uuid}"}}'), 30, "no reading")
    assert whole.query(f'firstlight_gpu_up{{uuid="{uuid}"}} == 0')


def test_no_series_carries_a_hostname(whole: Stack) -> None:
    assert HOSTNAME not in fetch(f"{whole.exporter}/metrics")[1].decode()


def _instance(whole: Stack) -> str:
    return whole.exporter.removeprefix("http://")


def targets() -> list[Any]:
    found = []
    for file in DASHBOARDS:
        for panel in json.loads(file.read_text())["panels"]:
            found += [pytest.param(target["expr"], id=f"{file.stem}: {panel['title']} {target['refId']}")
                      for target in panel.get("targets", ())]
    return found


@pytest.mark.parametrize("expression", targets())
def test_a_panels_query_returns_data(whole: Stack, expression: str) -> None:
    until(lambda: set(INJECTED) <= set(whole.alerts()), 60, "all injected alerts")
    expression = expression.replace("$instance", _instance(whole)).replace("$__rate_interval", "1m")
    expression = expression.replace("$node", whole.node.removeprefix("http://")).replace(" or vector(0)", "")
    assert "$" not in expression
    assert until(lambda: whole.query(expression), 20, f"data for {expression}")
