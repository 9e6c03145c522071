#!/usr/bin/python
"""Files that make Debian's Prometheus, Alertmanager and node_exporter ours without touching theirs."""

from __future__ import annotations

import hashlib
import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.owned_files import HEADER, differences, planned, read_all, write_all
from ansible.module_utils.systemd_units import refuse_if_reload_disturbs, reload_systemd, run, show

DOCUMENTATION = r"""
module: monitoring_files
short_description: Rules, scrape settings and dashboards
description:
  - Writes settings of ours below /etc/prometheus/firstlight and points the services at them by drop-ins.
  - Refuses where somebody configured Prometheus by hand, and says which rule files to include there.
  - Restarts running services whose files changed. Files of parts that are switched off are removed.
options:
  prometheus: {description: Prometheus and Alertmanager are ours., type: bool, required: true}
  node_exporter: {description: node_exporter is ours., type: bool, required: true}
  grafana: {description: Write a data source and dashboards for Grafana., type: bool, required: true}
  dcgm_image: {description: Image of dcgm-exporter; empty = no service., type: str, default: ""}
  targets: {description: "Scrape targets (host:port) by job.", type: dict, required: true}
  prometheus_listen: {description: "host:port of Prometheus.", type: str, required: true}
  alertmanager_listen: {description: "host:port of Alertmanager.", type: str, required: true}
  node_exporter_listen: {description: "host:port of node_exporter.", type: str, required: true}
  rules: {description: Rule files by name., type: dict, required: true}
  dashboards: {description: Dashboards by name., type: dict, required: true}
  allow_disruption: {description: Reload systemd although containers use a GPU., type: bool, default: false}
"""
EXAMPLES = r"""
- name: Write settings
  monitoring_files:
    prometheus: true
    node_exporter: true
    grafana: false
    targets: {firstlight: ["127.0.0.1:9836"], node: ["127.0.0.1:9100"]}
    prometheus_listen: 127.0.0.1:9090
    alertmanager_listen: 127.0.0.1:9093
    node_exporter_listen: 127.0.0.1:9100
    rules: {}
    dashboards: {}
"""
RETURN = r"""
changes:
  description: What was (or would be) changed, as target, before, after.
  returned: always
  type: list
"""
OURS = "/etc/prometheus/firstlight"
UNITS = "/etc/systemd/system"
GRAFANA = "/etc/grafana"
DCGM = "firstlight-dcgm-exporter.service"
THEIRS = ("/etc/prometheus/prometheus.yml", "/etc/default/prometheus")


def prometheus_text(params: dict[str, Any]) -> str:
    """Return prometheus.yml."""
    jobs = {**params["targets"], "prometheus": [params["prometheus_listen"]]}
    blocks = "".join(
        f"  - job_name: {name}\n    static_configs:\n      - targets: [{quoted(found)}]\n"
        for name, found in jobs.items() if found
    )
    return (
        HEADER
        + f"""global:
  scrape_interval: 15s
  evaluation_interval: 15s
rule_files: ["{OURS}/rules/*.yml"]
alerting:
  alertmanagers:
    - static_configs:
        - targets: [{quoted([params["alertmanager_listen"]])}]
scrape_configs:
"""
        + blocks
    )


def quoted(words: list[str]) -> str:
    """Return words as the inside of a YAML list."""
    return ", ".join(f'"{word}"' for word in words)


def service_files(name: str, arguments: str | None) -> dict[str, str | None]:
    """Return the drop-in of a Debian service and the arguments it reads last; None = not ours any more."""
    environment = f"{OURS}/{name}.env"
    return {
        environment: None if arguments is None else f'{HEADER}ARGS="{arguments}"\n',
        f"{UNITS}/{name}.service.d/60-firstlight.conf":
            None if arguments is None else f"{HEADER}[Service]\nEnvironmentFile={environment}\n",
    }


def prometheus_files(params: dict[str, Any]) -> dict[str, str | None]:
    """Return the files of Prometheus and Alertmanager."""
    on = params["prometheus"]
    files: dict[str, str | None] = {f"{OURS}/prometheus.yml": prometheus_text(params) if on else None}
    files |= {f"{OURS}/rules/{name}": _ended(text) if on else None for name, text in params["rules"].items()}
    files |= service_files("prometheus", f"--config.file={OURS}/prometheus.yml "
                                         f"--web.listen-address={params['prometheus_listen']}" if on else None)
    files |= service_files("prometheus-alertmanager", f"--web.listen-address={params['alertmanager_listen']} "
                                                      "--cluster.listen-address=" if on else None)
    return files


def grafana_files(params: dict[str, Any]) -> dict[str, str | None]:
    """Return the files that Grafana reads at its start."""
    source = f"""{HEADER}apiVersion: 1
datasources:
  - {{name: Prometheus of this machine, uid: firstlight, type: prometheus, url: "http://{params["prometheus_listen"]}"}}
"""
    provider = f"""{HEADER}apiVersion: 1
providers:
  - {{name: firstlight, folder: Firstlight, type: file, options: {{path: {GRAFANA}/firstlight}}}}
"""
    files: dict[str, str] = {f"{GRAFANA}/provisioning/datasources/firstlight.yml": source,
                             f"{GRAFANA}/provisioning/dashboards/firstlight.yml": provider}
    files |= {f"{GRAFANA}/firstlight/{name}": _ended(text) for name, text in params["dashboards"].items()}
    return {path: text if params["grafana"] else None for path, text in files.items()}


def dcgm_text(image: str) -> str | None:
    """Return the service that runs NVIDIA's exporter on loopback; None without an image."""
    if not image:
        return None
    name = DCGM.removesuffix(".service")
    return f"""{HEADER}[Unit]
Description=NVIDIA DCGM exporter
Requires=docker.service
After=docker.service

[Service]
ExecStartPre=-/usr/bin/docker rm -f {name}
ExecStart=/usr/bin/docker run --rm --name {name} --gpus all --cap-add SYS_ADMIN -p 127.0.0.1:9400:9400 {image}
ExecStop=-/usr/bin/docker stop {name}
Restart=always
RestartSec=30

[Install]
WantedBy=multi-user.target
"""


def _ended(text: str) -> str:
    """Return a text with the line end that Ansible's file lookup takes away."""
    return text.rstrip("\n") + "\n"


def shortened(change: dict[str, str]) -> dict[str, str]:
    """Return a change with the content of a shipped file left out: it is long, and the diff has it."""
    if change["target"].endswith(".json") or "/rules/" in change["target"]:
        return {key: text if key == "target" or text == "absent" else "shipped file" if key == "after" else "other text"
                for key, text in change.items()}
    return change


def refuse_foreign_settings(module: AnsibleModule, found: dict[str, str | None]) -> None:
    """Fail the module (refused) when Prometheus was configured by hand and is not ours yet."""
    if not module.params["prometheus"] or found.get(f"{OURS}/prometheus.yml") is not None:
        return
    _, out, _ = module.run_command(["dpkg-query", "-W", "-f", "${Conffiles}\n", "prometheus"])
    shipped = dict(line.split()[:2] for line in out.splitlines() if len(line.split()) >= 2)
    changed = [path for path in THEIRS if os.path.exists(path) and _digest(path) != shipped.get(path)]
    if changed:
        module.fail_json(
            refused=True,
            msg=f"Prometheus was configured by hand ({', '.join(changed)}), and stays as it is. Set "
            "system.monitoring.prometheus: false, and add the rules and the target of `firstlight serve` there.",
        )


def _digest(path: str) -> str:
    with open(path, "rb") as stream:
        return hashlib.md5(stream.read(), usedforsecurity=False).hexdigest()


def services_to_restart(module: AnsibleModule, changed: set[str]) -> list[str]:
    """Return the running services whose files change."""
    touched = [DCGM] if f"{UNITS}/{DCGM}" in changed else []
    for name in ("prometheus", "prometheus-alertmanager", "prometheus-node-exporter"):
        parts = {f"{OURS}/{name}.env", f"{UNITS}/{name}.service.d/60-firstlight.conf"}
        if name == "prometheus":
            parts |= {path for path in changed if path.startswith((f"{OURS}/rules/", f"{OURS}/prometheus.yml"))}
        if parts & changed:
            touched.append(f"{name}.service")
    return [name for name in touched if show(module, name, ["ActiveState"]).get("ActiveState") == "active"]


def main() -> None:
    """Run the module."""
    flags = {name: {"type": "bool", "required": True} for name in ("prometheus", "node_exporter", "grafana")}
    tables = {name: {"type": "dict", "required": True} for name in ("targets", "rules", "dashboards")}
    listens = {f"{name}_listen": {"type": "str", "required": True}
               for name in ("prometheus", "alertmanager", "node_exporter")}
    module = AnsibleModule(
        argument_spec={**flags, **tables, **listens, "dcgm_image": {"type": "str", "default": ""},
                       "allow_disruption": {"type": "bool", "default": False}},
        supports_check_mode=True,
    )
    params = module.params
    node = f"--web.listen-address={params['node_exporter_listen']}" if params["node_exporter"] else None
    wanted = {**prometheus_files(params), **service_files("prometheus-node-exporter", node), **grafana_files(params),
              f"{UNITS}/{DCGM}": dcgm_text(params["dcgm_image"])}
    found = read_all(module, list(wanted))
    refuse_foreign_settings(module, found)
    changes = [shortened(change) for change in planned(found, wanted)]
    changed = {change["target"] for change in changes}
    reload_needed = any(path.startswith(UNITS) for path in changed)
    restart = services_to_restart(module, changed)
    if reload_needed:
        refuse_if_reload_disturbs(module)
    if changes and not module.check_mode:
        if wanted[f"{UNITS}/{DCGM}"] is None and found[f"{UNITS}/{DCGM}"] is not None:
            run(module, ["systemctl", "disable", "--now", "--", DCGM])
        write_all(module, found, wanted)
        if reload_needed:
            reload_systemd(module)
        for name in restart:
            if name != DCGM or wanted[f"{UNITS}/{DCGM}"] is not None:
                run(module, ["systemctl", "restart", "--", name])
    module.exit_json(changed=bool(changes), changes=changes, diff=differences(found, wanted))


if __name__ == "__main__":
    main()
