"""Changes to what roles manage, in rounds of at most one a role, and the check that must name each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Managed:
    """A change by hand to what `role` manages. `blinds`: checks that can no longer look say so."""

    role: str
    check: str
    script: str
    blinds: str = ""


def edit(path: str, expression: str) -> str:
    """Return the shell that edits a file, and fails when that changes nothing."""
    return f"cp {path} /tmp/before; sed -i '{expression}' {path}; cmp -s /tmp/before {path} && exit 9 || true"


def edit_json(statement: str) -> str:
    """Return the shell that runs a statement on `values`, the object in daemon.json, and restarts Docker."""
    return (
        'python3 -c \'import json; path = "/etc/docker/daemon.json"; values = json.load(open(path)); '
        f'{statement}; json.dump(values, open(path, "w"))\'; systemctl restart docker'
    )


SYSCTL = "/etc/sysctl.d/60-firstlight.conf"
LIMITS = "/etc/security/limits.d/60-firstlight.conf"
SERVICES = "/etc/systemd/system.conf.d/60-firstlight.conf"
APT = "/etc/apt/apt.conf.d/60-firstlight"
UNITS = "/etc/systemd/system"
PROMETHEUS = "/etc/prometheus/firstlight"
ALERTS = f"{PROMETHEUS}/rules/firstlight-alerts.yml"
RELOAD = "; systemctl daemon-reload"
REEXEC = "; systemctl daemon-reexec; sleep 2"

BY_ROLE: dict[str, list[tuple[str, str]]] = {
    "sysctl": [
        ("kernel.sysctl", 'sysctl -q -w net.ipv4.ip_local_port_range="1024 60999"'),
        ("kernel.sysctl-boot", edit(SYSCTL, "s/20000 60999/21000 60999/")),
        ("kernel.sysctl-boot", "echo net.ipv4.ip_local_port_range=22000 60999 >/etc/sysctl.d/99-lab.conf"),
        ("kernel.sysctl-boot", f"rm {SYSCTL}"),
        ("kernel.sysctl-boot", edit(SYSCTL, "s/^net/# net/")),
    ],
    "limits": [
        ("system.limits-login", edit(LIMITS, "s/16384/4096/")),
        (
            "system.limits-login",
            "echo '* - nofile 2048' >/etc/security/limits.d/95-lab.conf",
        ),
        ("system.limits-login", f"rm {LIMITS}"),
        (
            "system.limits-service",
            edit(SERVICES, "s/^DefaultLimitNOFILE=.*/DefaultLimitNOFILE=2048:4096/")
            + REEXEC,
        ),
        ("system.limits-service", edit("/etc/systemd/user.conf.d/60-firstlight.conf", "s/16384/1024/g")),
    ],
    "slice": [
        ("system.slice", edit(f"{UNITS}/ai.slice", "s/^CPUWeight=.*/CPUWeight=500/") + RELOAD),
        (
            "system.slice",
            f"mkdir {UNITS}/ai.slice.d; printf '[Slice]\\nMemoryMax=1G\\n' >{UNITS}/ai.slice.d/9.conf"
            + RELOAD,
        ),
        ("system.slice", f"rm -r {UNITS}/ai.slice*" + RELOAD),
        ("system.slice", edit(f"{UNITS}/ai.slice", "/^MemoryHigh/d") + RELOAD),
    ],
    "base": [
        ("system.unattended-upgrades", f"rm {APT}"),
        ("system.packages", "dpkg -r --force-depends fio >/dev/null"),
        (
            "system.dpkg-audit",
            "sed -i '/^Package: rsync$/,/^$/s/^Status: .*/Status: install ok half-configured/' /var/lib/dpkg/status",
        ),
        ("system.unattended-upgrades", edit(APT, "/linux-image/d")),
        ("system.apt-locks", edit(APT, "s/Timeout .*/Timeout \"1\";/")),
    ],
    "backup": [
        ("system.backup-timers", "systemctl disable -q --now firstlight-backup-models.timer"),
        (
            "system.backup-timers",
            f"systemctl stop firstlight-backup-models.timer; rm {UNITS}/firstlight-backup-models.*" + RELOAD,
        ),
        (
            "system.backup-timers",
            edit(f"{UNITS}/firstlight-backup-models.timer", "s/02:30/12:30/") + RELOAD,
        ),
        (
            "system.backup-timers",
            edit(f"{UNITS}/firstlight-backup-models.service", "s,/backup/m,/backup/l,") + RELOAD,
        ),
    ],
    "docker": [
        ("container.daemon-json", edit_json('del values["log-opts"]')),
        ("container.daemon-json", edit_json('values["live-restore"] = False')),
        ("container.daemon-json", edit_json('values["log-driver"] = "local"; values.pop("log-opts")')),
        ("container.docker-service", "systemctl disable -q docker.service"),
        (
            "container.daemon-json",
            "head -c 40 /etc/docker/daemon.json >/tmp/half; cp /tmp/half /etc/docker/daemon.json",
        ),
        ("container.docker-service", "systemctl stop -q docker.socket docker.service"),
    ],
    "container_toolkit": [
        ("container.nvidia-runtime", edit_json('del values["runtimes"]')),
        ("container.toolkit-pin", "apt-mark unhold nvidia-container-toolkit >/dev/null"),
        ("container.toolkit-pin", "rm /etc/apt/preferences.d/60-firstlight-container-toolkit"),
    ],
    "monitoring": [
        ("system.monitoring", edit(ALERTS, "s/severity: critical/severity: info/")),
        ("system.monitoring", "systemctl disable -q --now prometheus-node-exporter.service"),
        ("system.monitoring", edit(f"{PROMETHEUS}/prometheus.yml", "s/9836/9837/")),
        ("system.monitoring", f"rm {UNITS}/prometheus-alertmanager.service.d/60-firstlight.conf" + RELOAD),
        ("system.monitoring", edit(f"{PROMETHEUS}/prometheus.env", "s/127.0.0.1/0.0.0.0/")),
    ],
}
BLINDING = {"head -c 40", "systemctl stop -q docker"}
DRIFTS = [
    Managed(role, check, script, "container." if any(script.startswith(word) for word in BLINDING) else "")
    for role, drifts in BY_ROLE.items()
    for check, script in drifts
]
ROUNDS = [
    [
        found[number]
        for role in BY_ROLE
        if len(found := [each for each in DRIFTS if each.role == role]) > number
    ]
    for number in range(max(map(len, BY_ROLE.values())))
]
