"""Role monitoring on a fresh Debian: predicted, made, repeated; then asked by means other than ours."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from tests.node.disposable import Ran
from tests.node.nodes import Node, fresh_node
from tests.node.profiles import NODE, SITE_PROFILE
from tests.node.readings import changes

pytestmark = [pytest.mark.node, pytest.mark.timeout(1200)]
PROFILE: dict[str, Any] = NODE | {"system": NODE["system"] | {"monitoring": {"enabled": True, "grafana": True}}}
ASK = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=10).read().decode())"


@dataclass(frozen=True)
class Story:
    """What happened on one node, in order."""

    node: Node
    planned: Ran
    applied: Ran
    again: Ran

    def ask(self, url: str) -> str:
        return self.node.must(["python3", "-c", ASK, url])


@pytest.fixture(scope="module")
def story(image: str) -> Iterator[Story]:
    only = ("--only", "monitoring", "-o", "json")
    with fresh_node(image) as node:
        node.write(SITE_PROFILE, yaml.safe_dump(PROFILE, sort_keys=False))
        yield Story(node, node.firstlight("plan", *only), node.firstlight("apply", "--yes", *only),
                    node.firstlight("apply", "--yes", *only))


def test_plan_predicted_exactly_what_apply_did(story: Story) -> None:
    assert story.applied.code == 0, str(story.applied)
    assert changes(story.planned) == changes(story.applied)
    assert len(changes(story.applied)) > 10


def test_second_apply_changes_nothing(story: Story) -> None:
    assert story.again.code == 0, str(story.again)
    assert changes(story.again) == []


def test_everything_listens_on_loopback_only(story: Story) -> None:
    listening = story.node.must(["ss", "-Hltn"]).split("\n")
    addresses = {line.split()[3] for line in listening if line}
    assert {"127.0.0.1:9090", "127.0.0.1:9093", "127.0.0.1:9100"} <= addresses
    assert not {address for address in addresses if address.endswith((":9090", ":9093", ":9094", ":9100"))
                and not address.startswith("127.")}


def test_prometheus_holds_our_rules_and_scrapes(story: Story) -> None:
    groups = json.loads(story.ask("http://127.0.0.1:9090/api/v1/rules"))["data"]["groups"]
    assert {group["name"] for group in groups} >= {"firstlight-gpu", "firstlight-machine", "firstlight-fleet"}
    deadline = time.monotonic() + 30  # Prometheus looks for new targets every 5 s
    while not (targets := json.loads(story.ask("http://127.0.0.1:9090/api/v1/targets"))["data"]["activeTargets"]):
        assert time.monotonic() < deadline, "Prometheus has no target"
        time.sleep(0.5)
    assert {target["labels"]["job"] for target in targets} == {"firstlight", "node", "prometheus"}
    story.node.must(["promtool", "check", "config", "/etc/prometheus/firstlight/prometheus.yml"])


def test_debians_own_settings_are_untouched(story: Story) -> None:
    assert "??5??????" not in story.node.run(["dpkg", "--verify", "prometheus"]).out


def test_grafana_would_find_its_dashboards(story: Story) -> None:
    for name in ("machine", "fleet"):
        board = json.loads(story.node.read(f"/etc/grafana/firstlight/firstlight-{name}.json"))
        assert board["uid"] == f"firstlight-{name}"


def unwell(node: Node) -> list[str]:
    """Return the subjects of the monitoring check that do not pass."""
    ran = node.firstlight("check", "--only", "system.monitoring", "-o", "json")
    (run,) = ran.data["runs"]
    return [finding["subject"] for finding in run["findings"] if finding["verdict"] != "pass"]


def test_the_check_finds_what_somebody_changed_and_fix_repairs_it(story: Story) -> None:
    node = story.node
    assert unwell(node) == []
    node.sh("systemctl stop prometheus-alertmanager")
    node.write("/etc/prometheus/firstlight/rules/firstlight-alerts.yml", "groups: []\n")
    assert unwell(node) == ["prometheus-alertmanager", "settings"]
    ran = node.firstlight("fix", "--yes", "system.monitoring")
    assert ran.code == 0, str(ran)
    assert unwell(node) == []


def test_settings_made_by_hand_are_left_alone(story: Story) -> None:
    node = story.node
    node.sh("rm -r /etc/prometheus/firstlight; echo '# mine' >> /etc/prometheus/prometheus.yml")
    ran = node.firstlight("apply", "--yes", "--only", "monitoring", "-o", "json")
    assert ran.code != 0
    assert "configured by hand (/etc/prometheus/prometheus.yml)" in ran.out + ran.err
    assert "exists" not in node.sh("test -e /etc/prometheus/firstlight && echo exists; true")
