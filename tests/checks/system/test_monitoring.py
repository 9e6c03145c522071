"""Prometheus and its companions: running, started our way, with the rules and targets of the profile."""

from __future__ import annotations

import pytest

from agent.machine.systemd import units_argv
from agent.resources import playbooks
from checks.system.monitoring import CHECK, OURS
from tests.checks.findings import DENIED, SYSTEMD, found, only, units_text
from tests.fixtures import FakeMachine

ASKED = {"system": {"monitoring": {"enabled": True}}}
NODE_ONLY = {"system": {"monitoring": {"enabled": True, "prometheus": False}}}
SERVICES = {"prometheus": 101, "prometheus-alertmanager": 102, "prometheus-node-exporter": 103}
COMMANDS = {
    "prometheus": f"/usr/bin/prometheus\0--config.file={OURS}/prometheus.yml\0--web.listen-address=127.0.0.1:9090\0",
    "prometheus-alertmanager": "/usr/bin/prometheus-alertmanager\0--web.listen-address=127.0.0.1:9093\0",
    "prometheus-node-exporter": "/usr/bin/prometheus-node-exporter\0--web.listen-address=127.0.0.1:9100\0",
}
SETTINGS = '- targets: ["127.0.0.1:9836"]\n- targets: ["127.0.0.1:9100"]\n'
RULES = {f"{OURS}/rules/{path.name}": path.read_text().rstrip("\n") + "\n"
         for path in (playbooks() / "roles/monitoring/files/rules").glob("*.yml")}


def node(changed: dict[str, str | None] | None = None, services: dict[str, int] = SERVICES,
         **units: dict[str, str]) -> FakeMachine:
    """Return a machine as the role leaves it; a changed file that is None is gone."""
    files: dict[str, str | None] = {
        **RULES, f"{OURS}/prometheus.yml": SETTINGS,
        **{f"/proc/{SERVICES[name]}/cmdline": COMMANDS[name] for name in services}, **(changed or {})}
    up = {"ActiveState": "active", "UnitFileState": "enabled"}
    on = {f"{name.replace('-', '_')}_service": up | {"MainPID": str(pid)} for name, pid in services.items()}
    names = [f"{name}.service" for name in services]
    return FakeMachine({path: text for path, text in files.items() if text is not None},
                       {units_argv(names): units_text(*names, **{**on, **units})}, folders=SYSTEMD)


def bad(machine: FakeMachine) -> list[tuple[str, str]]:
    """Return (verdict, subject) of what is not as it must be."""
    return [(finding.verdict.value, finding.subject) for finding in found(CHECK, machine, **ASKED)
            if finding.verdict != "pass"]


def test_as_the_role_leaves_it_all_is_well() -> None:
    assert bad(node()) == []
    assert len(found(CHECK, node(), **ASKED)) == 4


def test_only_what_the_profile_asks_for_is_looked_at() -> None:
    assert only(CHECK, FakeMachine()).verdict == "not-applicable"
    machine = node(services={"prometheus-node-exporter": 103})
    assert only(CHECK, machine, **NODE_ONLY).subject == "prometheus-node-exporter"


OFF = {"ActiveState": "inactive", "UnitFileState": "enabled"}
NOT_AT_BOOT = {"ActiveState": "active", "UnitFileState": "disabled", "MainPID": "101"}
RULE = next(iter(RULES))


@pytest.mark.parametrize(("machine", "subject"), [
    (node(prometheus_alertmanager_service=OFF), "prometheus-alertmanager"),
    (node(prometheus_service=NOT_AT_BOOT), "prometheus"),
    (node(prometheus_node_exporter_service={"LoadState": "not-found"}), "prometheus-node-exporter"),
    (node({"/proc/101/cmdline": "/usr/bin/prometheus\0"}), "prometheus"),
    (node({"/proc/103/cmdline": COMMANDS["prometheus-node-exporter"].replace("127.0.0.1", "0.0.0.0")}),
     "prometheus-node-exporter"),
    (node({RULE: None}), "settings"), (node({RULE: "groups: []\n"}), "settings"),
    (node({f"{OURS}/prometheus.yml": None}), "settings"),
    (node({f"{OURS}/prometheus.yml": SETTINGS.replace("9836", "9999")}), "settings"),
])
def test_each_thing_that_somebody_changed_is_one_finding(machine: FakeMachine, subject: str) -> None:
    assert bad(machine) == [("fail", subject)]


def test_a_target_that_is_not_scraped_is_named() -> None:
    settings = {f"{OURS}/prometheus.yml": SETTINGS.replace("9836", "9999")}
    finding = next(one for one in found(CHECK, node(settings), **ASKED) if one.subject == "settings")
    assert "127.0.0.1:9836" in finding.summary
    assert finding.remedy.role == "monitoring"


def test_what_cannot_be_looked_at_is_unknown() -> None:
    assert bad(node({"/proc/101/cmdline": None})) == [("unknown", "prometheus")]
    assert only(CHECK, FakeMachine(), **ASKED).verdict == "unknown"
    machine = node()
    machine.errors = {f"{OURS}/prometheus.yml": DENIED}
    assert only(CHECK, machine, **ASKED).verdict == "unknown"
