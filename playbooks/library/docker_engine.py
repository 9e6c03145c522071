#!/usr/bin/python
"""Adopt the Docker Engine that is there, or install one; keep its service enabled and running."""

from __future__ import annotations

import os
import shutil

from ansible.module_utils import repository
from ansible.module_utils.atomic import read_text, write_atomic
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.busy import gpu_containers, running_containers
from ansible.module_utils.debs import AptError, available, install, installed, update
from ansible.module_utils.engine import (
    UNIT,
    daemon_info,
    run,
    seen_engine,
    survives_restart,
)
from ansible.module_utils.merge import NotAnObjectError, parse_object

DOCUMENTATION = r"""
module: docker_engine
short_description: A Docker Engine that runs now and after a boot
description:
  - Whatever engine is installed is adopted, never replaced or upgraded. Only a machine without one gets one.
  - The snap and Podman's stand-in are refused by name.
options:
  source: {type: str, choices: [distribution, docker.com], default: distribution, description: Where from.}
  repository: {type: str, default: "https://download.docker.com/linux", description: Address of docker.com.}
  distribution: {type: str, required: true, description: "ID of os-release."}
  version: {type: str, required: true, description: "VERSION_ID of os-release."}
  codename: {type: str, required: true, description: "VERSION_CODENAME of os-release."}
  nofile: {type: int, description: "LimitNOFILE= of docker.service, in a drop-in of ours; none = no drop-in."}
  vendor_managed: {type: bool, default: false, description: "Packages are the vendor's: adopt or refuse."}
  allow_disruption: {type: bool, default: false, description: Restart even while containers run.}
"""

EXAMPLES = r"""
- name: Adopt or install Docker Engine
  docker_engine: {distribution: debian, version: "12", codename: bookworm}
"""

RETURN = r"""
changes: {description: "What changed: target, before, after.", returned: success, type: list}
"""

DAEMON_JSON = "/etc/docker/daemon.json"
DROP_IN = "/etc/systemd/system/docker.service.d/60-firstlight.conf"
SOURCE = "/etc/apt/sources.list.d/firstlight-docker.sources"
OURS = "# Written by Firstlight.\n[Service]\nLimitNOFILE="
DOCKER_COM = ["docker-ce", "docker-ce-cli", "containerd.io", "docker-buildx-plugin", "docker-compose-plugin"]


def package_names(source, distribution, version):
    """Return the packages of an engine; Debian keeps the client in a package of its own from 13 on."""
    if source == "docker.com":
        return DOCKER_COM
    major = version.partition(".")[0]
    split = distribution == "debian" and major.isdigit() and int(major) >= 13
    return ["docker.io", "iptables", *(["docker-cli"] if split else [])]


def impossible(engine, vendor_managed):
    """Return why no engine can be adopted or installed here, or ""."""
    if engine.snap:
        return ("Docker is installed as a snap, which the NVIDIA Container Toolkit cannot use and which an "
                "engine from packages would fight with; save its data, then run: snap remove docker")
    stand_in = read_head("/usr/bin/docker")
    if not engine.dockerd and b"podman" in stand_in:
        return "/usr/bin/docker is Podman's stand-in (podman-docker); remove that package first"
    if not engine.dockerd and vendor_managed:
        return "no Docker Engine is installed, and on this system it is the vendor's to install"
    if engine.unit.get("LoadState") == "masked":
        return f"{UNIT} is masked; if that is not meant, run: systemctl unmask {UNIT}"
    return ""


def read_head(path):
    """Return the first bytes of a file, b"" when there is none."""
    try:
        with open(path, "rb") as stream:
            return stream.read(200)
    except OSError:
        return b""


def service_state(engine):
    """Return "enabled and running", or what it is instead."""
    if not engine.unit or engine.unit.get("LoadState") != "loaded":
        return "running without a unit" if engine.info else "absent"
    enabled = engine.unit.get("UnitFileState", "")
    active = engine.unit.get("ActiveState", "")
    running = "running" if active in ("active", "reloading") else active
    return f"{'enabled' if enabled.startswith('enabled') else enabled or 'not enabled'} and {running}"


def drop_in_change(nofile):
    """Return (text wanted, change or None) of our drop-in; "" = none of ours must stand there."""
    before, wanted = read_text(DROP_IN) or "", f"{OURS}{nofile}\n" if nofile else ""
    if before == wanted:
        return wanted, None
    return wanted, {"target": DROP_IN, "before": before.replace(OURS, "LimitNOFILE=").strip() or "absent",
                    "after": f"LimitNOFILE={nofile}" if nofile else "absent"}


def drop_in_owed(engine):
    """Return whether dockerd runs since before our drop-in was written (an interrupted run)."""
    return engine.started > 0 and os.path.exists(DROP_IN) and os.stat(DROP_IN).st_mtime > engine.started


def source_change(asked):
    """Return (text, change) of docker.com's apt source; ("", None) when it is there already."""
    uri = f"{asked['repository'].rstrip('/')}/{asked['distribution']}"
    if repository.rival(uri, SOURCE) or repository.names_uri(read_text(SOURCE), uri):
        return "", None
    text = repository.render_source(uri, asked["codename"], "stable", repository.fetch_key(f"{uri}/gpg"))
    return text, {"target": SOURCE, "before": "absent", "after": uri}


def disturbed(engine, allow_disruption):
    """Return why docker.service must not be restarted after a daemon-reload, or ""."""
    if not engine.running or allow_disruption:
        return ""
    try:
        live = survives_restart(engine, parse_object(read_text(DAEMON_JSON) or ""))
    except NotAnObjectError:
        live = False
    busy = gpu_containers() if live else running_containers()
    if not busy:
        return ""
    return ("a new LimitNOFILE= needs a daemon-reload and a restart of docker.service, which would disturb: "
            + "; ".join(busy) + ". Stop them first, or allow disruption")


def wanted_changes(module, engine):
    """Return (changes, source text, packages to install, drop-in text, restart needed)."""
    asked = module.params
    changes, text, packages = [], "", []
    if not engine.dockerd:
        if asked["source"] == "docker.com":
            text, change = source_change(asked)
            changes += [change] if change else []
        names = package_names(asked["source"], asked["distribution"], asked["version"])
        packages = [name for name in names if name not in installed(names)]
        changes += [{"target": name, "before": "absent", "after": (available(name) or ["newest"])[0]}
                    for name in packages]
    elif not shutil.which("docker"):
        packages = [name for name in package_names("distribution", asked["distribution"], asked["version"])
                    if name == "docker-cli"]
        changes += [{"target": name, "before": "absent", "after": (available(name) or ["newest"])[0]}
                    for name in packages]
    drop_in, change = drop_in_change(asked["nofile"])
    changes += [change] if change else []
    owed = engine.running and (change is not None or drop_in_owed(engine))
    state = service_state(engine)
    if state != "enabled and running" and state != "running without a unit":
        changes.append({"target": UNIT, "before": state, "after": "enabled and running"})
    elif owed and change is None:
        changes.append({"target": UNIT, "before": "started before its drop-in", "after": "restarted"})
    return changes, text, packages, drop_in, owed


def carry_out(source_text, packages, drop_in, restart):
    """Add the source, write the drop-in, install, enable and start. Raises AptError."""
    if source_text:
        repository.add(SOURCE, source_text)
    elif packages and not all(available(name) for name in packages):
        update()
    if drop_in and read_text(DROP_IN) != drop_in:
        write_atomic(DROP_IN, drop_in)
    elif not drop_in and os.path.exists(DROP_IN):
        os.unlink(DROP_IN)
    if packages:
        install(packages)
    if restart:
        run("systemctl", "daemon-reload")
    # also where it is merely stopped: starts that systemd has counted would make it refuse this one
    run("systemctl", "reset-failed", UNIT, "docker.socket")
    run("systemctl", "enable", UNIT)
    return run("systemctl", "restart" if restart else "start", UNIT, timeout_s=180)


def main():
    """Find what is missing, refuse or make it, and answer."""
    module = AnsibleModule(
        argument_spec={
            "source": {"type": "str", "choices": ["distribution", "docker.com"], "default": "distribution"},
            "repository": {"type": "str", "default": "https://download.docker.com/linux"},
            "distribution": {"type": "str", "required": True},
            "version": {"type": "str", "required": True},
            "codename": {"type": "str", "required": True},
            "nofile": {"type": "int"},
            "vendor_managed": {"type": "bool", "default": False},
            "allow_disruption": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    engine = seen_engine()
    why = impossible(engine, module.params["vendor_managed"])
    if why:
        module.fail_json(msg=why, refused=True)
    try:
        changes, text, packages, drop_in, restart = wanted_changes(module, engine)
    except repository.UnreachableKeyError as error:
        module.fail_json(msg=str(error))
    why = disturbed(engine, module.params["allow_disruption"]) if restart else ""
    if why:
        module.fail_json(msg=why, refused=True)
    if changes and not module.check_mode:
        try:
            code, _, err = carry_out(text, packages, drop_in, restart)
        except AptError as error:
            module.fail_json(msg=str(error))
        if code or not daemon_info():
            module.fail_json(msg=f"Docker Engine does not answer after its start: {err.strip()}; "
                                 "see: journalctl -u docker -n 50")
    module.exit_json(changed=bool(changes), changes=changes)


if __name__ == "__main__":
    main()
