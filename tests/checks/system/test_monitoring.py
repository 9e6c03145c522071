"""Prometheus and its companions: running, started our way, with the rules and targets of the profile."""

from __future__ import annotations

from typing import Any

import pytest

from agent.machine.systemd import KEPT, units_argv
from agent.model.profile import Monitoring
from agent.resources import playbooks
from checks.system.monitoring import CHECK, CONFIG, DCGM, OURS
from tests.ansible_modules import load_module
from tests.checks.findings import DENIED, SYSTEMD, found, only, units_text
from tests.fixtures import FakeMachine

SERVICES = {"prometheus": 101, "prometheus-alertmanager": 102, "prometheus-node-exporter": 103}
COMMANDS = {
    "prometheus": f"/usr/bin/prometheus\0--config.file={OURS}/prometheus.yml\0--web.listen-address=127.0.0.1:9090\0",
    "prometheus-alertmanager": "/usr/bin/prometheus-alertmanager\0--web.listen-address=127.0.0.1:9093\0",
    "prometheus-node-exporter": "/usr/bin/prometheus-node-exporter\0--web.listen-address=127.0.0.1:9100\0",
}
files = load_module("monitoring_files")
ALL: dict[str, Any] = {"enabled": True, "grafana": True, "targets": ["127.0.0.1:9836", "box:9836"]}
RULE = f"{OURS}/rules/firstlight-alerts.yml"


ASKED = {"system": {"monitoring": ALL}}
NODE_ONLY = {"enabled": True, "prometheus": False}


def written(section: dict[str, Any]) -> dict[str, str]:
    """Return the files the role's own module writes for a profile."""
    part = Monitoring.model_validate(section)
    source = playbooks() / "roles/monitoring/files"
    shipped = {kind: {path.name: path.read_text() for path in (source / kind).iterdir()}
               for kind in ("rules", "dashboards")}
    params = part.model_dump() | shipped | {
        "targets": {"firstlight": part.targets, "node": part.node_targets, "dcgm": []}}
    listen = f"--web.listen-address={part.node_exporter_listen}"
    found = {**files.prometheus_files(params), **files.service_files("prometheus-node-exporter", listen),
             **files.grafana_files(params)}
    return {path: text for path, text in found.items() if text is not None}


def node(changed: dict[str, str | None] | None = None, services: dict[str, int] = SERVICES,
         section: dict[str, Any] = ALL, **units: dict[str, str]) -> FakeMachine:
    """Return a machine as the role leaves it; a changed file that is None is gone."""
    made: dict[str, str | None] = {
        **written(section),
        **{f"/proc/{SERVICES[name]}/cmdline": COMMANDS[name] for name in services if name in COMMANDS},
        **(changed or {})}
    up = {"ActiveState": "active", "UnitFileState": "enabled"}
    on = {f"{name.replace('-', '_')}_service": up | {"MainPID": str(pid)} for name, pid in services.items()}
    answers = {units_argv(names): units_text(*names, **{**on, **units}) for names in (KEPT, (f"{DCGM}.service",))}
    answers[units_argv()] = answers.pop(units_argv(KEPT))
    return FakeMachine({path: text for path, text in made.items() if text is not None}, answers, folders=SYSTEMD)


def bad(machine: FakeMachine) -> list[tuple[str, str]]:
    """Return (verdict, subject) of what is not as it must be."""
    return [(finding.verdict.value, finding.subject) for finding in found(CHECK, machine, **ASKED)
            if finding.verdict != "pass"]


def test_as_the_role_leaves_it_all_is_well() -> None:
    assert bad(node()) == []
    assert len(found(CHECK, node(), **ASKED)) == 4


def test_only_what_the_profile_asks_for_is_looked_at() -> None:
    assert only(CHECK, FakeMachine()).verdict == "not-applicable"
    machine = node(services={"prometheus-node-exporter": 103}, section=NODE_ONLY)
    subjects = [finding.subject for finding in found(CHECK, machine, system={"monitoring": NODE_ONLY})]
    assert subjects == ["prometheus-node-exporter", "settings"]


OFF = {"ActiveState": "inactive", "UnitFileState": "enabled"}
NOT_AT_BOOT = {"ActiveState": "active", "UnitFileState": "disabled", "MainPID": "101"}


@pytest.mark.parametrize(("machine", "subject"), [
    (node(prometheus_alertmanager_service=OFF), "prometheus-alertmanager"),
    (node(prometheus_service=NOT_AT_BOOT), "prometheus"),
    (node(prometheus_node_exporter_service={"LoadState": "not-found"}), "prometheus-node-exporter"),
    (node({"/proc/101/cmdline": "/usr/bin/prometheus\0"}), "prometheus"),
    (node({"/proc/103/cmdline": COMMANDS["prometheus-node-exporter"].replace("127.0.0.1", "0.0.0.0")}),
     "prometheus-node-exporter"),
    (node({RULE: None}), "settings"), (node({RULE: "groups: []\n"}), "settings"),
    (node({f"{OURS}/prometheus.yml": None}), "settings"),
    (node(prometheus_service=NOT_AT_BOOT | {"UnitFileState": "enabled", "NeedDaemonReload": "yes"}), "prometheus"),
])
def test_each_thing_that_somebody_changed_is_one_finding(machine: FakeMachine, subject: str) -> None:
    assert bad(machine) == [("fail", subject)]


def test_a_target_that_is_not_scraped_is_named() -> None:
    settings = {CONFIG: written(ALL)[CONFIG].replace("127.0.0.1:9836", "127.0.0.1:9999")}
    finding = next(one for one in found(CHECK, node(settings), **ASKED) if one.subject == "settings")
    assert "127.0.0.1:9836" in finding.summary
    assert finding.remedy.role == "monitoring"


@pytest.mark.parametrize("path", sorted(written(ALL)))
def test_each_file_that_the_role_writes_is_read(path: str) -> None:
    for text in (None, "# edited\n"):
        finding = next(one for one in found(CHECK, node({path: text}), **ASKED) if one.subject == "settings")
        assert finding.verdict == "fail"
        assert path in finding.summary


@pytest.mark.parametrize(("path", "before", "after"), [
    (CONFIG, "box:9836", "fox:9836"), (CONFIG, "127.0.0.1:9093", "127.0.0.1:9999"),
    (CONFIG, "/rules/*.yml", "/other/*.yml"), (CONFIG, "scrape_configs", "scrape"),
    (f"{OURS}/prometheus.env", "=127.0.0.1:9090", "=0.0.0.0:9090"), (RULE, "severity: critical", "severity: info"),
])
def test_each_value_that_somebody_edited_is_found(path: str, before: str, after: str) -> None:
    text = written(ALL)[path]
    assert before in text
    assert bad(node({path: text.replace(before, after)})) == [("fail", "settings")]


def test_dcgm_exporter_is_judged_where_its_unit_is() -> None:
    image = "registry.example/dcgm@sha256:" + "0" * 64
    section, place = ALL | {"dcgm": True, "dcgm_image": image}, f"/etc/systemd/system/{DCGM}.service"
    up = {"ActiveState": "active", "UnitFileState": "enabled", "MainPID": "104"}
    more = {f"{DCGM.replace('-', '_')}_service": up}
    for text, verdict in ((files.dcgm_text(image), "pass"), (files.dcgm_text(image.replace("0", "1")), "fail")):
        machine = node({place: text, "/proc/104/cmdline": "docker\0run\0"}, SERVICES | {DCGM: 104}, section, **more)
        verdicts = {one.subject: one.verdict for one in found(CHECK, machine, system={"monitoring": section})}
        assert (verdicts[DCGM], verdicts["settings"]) == ("pass", verdict)


def test_what_cannot_be_looked_at_is_unknown() -> None:
    assert bad(node({"/proc/101/cmdline": None})) == [("unknown", "prometheus")]
    assert only(CHECK, FakeMachine(), **ASKED).verdict == "unknown"
    machine = node()
    machine.errors = {f"{OURS}/prometheus.yml": DENIED}
    assert only(CHECK, machine, **ASKED).verdict == "unknown"
