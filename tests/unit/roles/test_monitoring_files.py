"""The files of role monitoring, and when the role keeps its hands off."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent.model.hardware import Hardware, PciGpu
from agent.provision.variables import supports_dcgm
from tests.ansible_modules import load_module

files = load_module("monitoring_files")
PARAMS: dict[str, Any] = {
    "prometheus": True, "node_exporter": True, "grafana": False, "dcgm_image": "",
    "targets": {"firstlight": ["127.0.0.1:9836", "box:9836"], "node": ["127.0.0.1:9100"], "dcgm": []},
    "prometheus_listen": "127.0.0.1:9090", "alertmanager_listen": "127.0.0.1:9093",
    "node_exporter_listen": "127.0.0.1:9100", "rules": {"a.yml": "groups: []"}, "dashboards": {"a.json": "{}"},
}
IMAGE = "registry.example/dcgm-exporter@sha256:" + "0" * 64


class Module:
    """As much of an AnsibleModule as is asked."""

    def __init__(self, conffiles: str, **params: Any) -> None:
        self.params = PARAMS | params
        self.conffiles = conffiles

    def run_command(self, command: list[str]) -> tuple[int, str, str]:
        return 0, self.conffiles, ""

    def fail_json(self, **answer: Any) -> None:
        raise PermissionError(answer["msg"])


def hardware(*gpus: PciGpu) -> Hardware:
    return Hardware("box", "x86_64", "", 1, 1, "debian", "12", "bookworm", "", "", "", "", gpus, ())


def test_prometheus_scrapes_every_job_that_has_targets_and_itself() -> None:
    config = yaml.safe_load(files.prometheus_text(PARAMS))
    jobs = {job["job_name"]: job["static_configs"][0]["targets"] for job in config["scrape_configs"]}
    assert jobs == {"firstlight": ["127.0.0.1:9836", "box:9836"], "node": ["127.0.0.1:9100"],
                    "prometheus": ["127.0.0.1:9090"]}
    assert config["rule_files"] == ["/etc/prometheus/firstlight/rules/*.yml"]
    assert config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] == ["127.0.0.1:9093"]


def test_services_are_pointed_at_our_settings_by_a_drop_in_and_listen_where_told() -> None:
    made = files.prometheus_files(PARAMS)
    assert "--web.listen-address=127.0.0.1:9090" in made["/etc/prometheus/firstlight/prometheus.env"]
    assert "--cluster.listen-address=\"" in made["/etc/prometheus/firstlight/prometheus-alertmanager.env"]
    drop_in = made["/etc/systemd/system/prometheus.service.d/60-firstlight.conf"]
    assert "EnvironmentFile=/etc/prometheus/firstlight/prometheus.env" in drop_in
    assert not any(path in files.THEIRS for path in made)


def test_what_is_switched_off_is_taken_away() -> None:
    assert set(files.prometheus_files(PARAMS | {"prometheus": False}).values()) == {None}
    assert set(files.grafana_files(PARAMS).values()) == {None}
    assert files.dcgm_text("") is None


def test_grafana_gets_valid_provisioning() -> None:
    made = files.grafana_files(PARAMS | {"grafana": True})
    source = yaml.safe_load(made["/etc/grafana/provisioning/datasources/firstlight.yml"])
    assert source["datasources"][0]["url"] == "http://127.0.0.1:9090"
    provider = yaml.safe_load(made["/etc/grafana/provisioning/dashboards/firstlight.yml"])
    assert provider["providers"][0]["options"]["path"] == "/etc/grafana/firstlight"
    assert made["/etc/grafana/firstlight/a.json"] == "{}\n"


def test_the_dcgm_service_listens_on_loopback_and_is_a_valid_unit(tmp_path: Path) -> None:
    text = files.dcgm_text(IMAGE)
    assert "-p 127.0.0.1:9400:9400" in text
    assert IMAGE in text
    if shutil.which("systemd-analyze") is None:
        return
    unit = tmp_path / "firstlight-dcgm-exporter.service"
    unit.write_text(text.replace("/usr/bin/docker", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True,
                          check=False, timeout=60)
    assert str(unit) not in done.stderr


@pytest.mark.parametrize(("gpus", "supported"), [
    ((PciGpu("0000:01:00.0", "2330", "GH100 [H100 SXM5 80GB]"),), True),
    ((PciGpu("000f:01:00.0", "2e12", "GB10"),), False),
    ((PciGpu("000f:01:00.0", "2e12", "Device 2e12"),), False),
    ((), False),
])
def test_dcgm_is_only_used_where_it_supports_the_card(gpus: tuple[PciGpu, ...], supported: bool) -> None:
    assert supports_dcgm(hardware(*gpus)) is supported


def test_settings_made_by_hand_are_refused_and_the_packages_own_are_not(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = tmp_path / "prometheus.yml"
    theirs.write_text("scrape_configs: []\n")
    monkeypatch.setattr(files, "THEIRS", (str(theirs),))
    shipped = f" {theirs} {hashlib.md5(theirs.read_bytes(), usedforsecurity=False).hexdigest()}\n"
    files.refuse_foreign_settings(Module(shipped), {})
    theirs.write_text("scrape_configs: [mine]\n")
    with pytest.raises(PermissionError, match="configured by hand"):
        files.refuse_foreign_settings(Module(shipped), {})
    with pytest.raises(PermissionError, match="configured by hand"):
        files.refuse_foreign_settings(Module(""), {})
    files.refuse_foreign_settings(Module(shipped), {"/etc/prometheus/firstlight/prometheus.yml": "ours"})
    files.refuse_foreign_settings(Module(shipped, prometheus=False), {})
