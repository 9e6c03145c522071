"""Machines with Docker and the toolkit as they should be, to be broken one thing at a time."""

from __future__ import annotations

import json
from typing import Any

from agent.machine.docker import DAEMON_JSON, INFO_ARGV, PID_FILE
from agent.machine.systemd import KEPT, units_argv
from agent.machine.toolkit import PACKAGES, PIN
from agent.model.profile import Profile
from agent.model.resolved import ResolvedProfile, resolve
from agent.model.units import GIB
from tests.fixtures import FakeMachine, mode

DAEMON: dict[str, Any] = {"log-driver": "json-file", "log-opts": {"max-size": "50m", "max-file": "3"},
                          "live-restore": True}
CONFIG: dict[str, Any] = DAEMON | {
    "dns": ["192.0.2.1"], "features": {"cdi": True},
    "runtimes": {"nvidia": {"path": "nvidia-container-runtime", "args": []}}}
INFO: dict[str, Any] = {
    "ServerVersion": "26.1.5", "Driver": "overlay2", "LoggingDriver": "json-file", "CgroupDriver": "systemd",
    "CgroupVersion": "2", "LiveRestoreEnabled": True, "DefaultRuntime": "runc", "DockerRootDir": "/var/lib/docker",
    "Runtimes": {"runc": {"path": "runc"}, "nvidia": {"path": "nvidia-container-runtime"}},
    "CDISpecDirs": ["/etc/cdi", "/var/run/cdi"], "Containers": 0, "ContainersRunning": 0,
}
VERSION = "1.19.1-1"


def profile(*, docker: dict[str, Any] | None = None, toolkit: dict[str, Any] | None = None,
            vendor_managed: bool = False) -> ResolvedProfile:
    """Return a profile that wants both."""
    part = {"docker": {"daemon": DAEMON} | (docker or {}), "toolkit": toolkit or {}}
    return resolve(Profile.model_validate({"name": "test", "container": part, "vendor_managed": vendor_managed}),
                   64 * GIB, "0")


def status(versions: dict[str, str], held: tuple[str, ...] = PACKAGES) -> str:
    """Return a dpkg status file."""
    return "\n\n".join(f"Package: {name}\nStatus: {'hold' if name in held else 'install'} ok installed\n"
                       f"Architecture: amd64\nVersion: {version}" for name, version in versions.items())


def units(active: str = "active", enabled: str = "enabled", load: str = "loaded") -> str:
    """Return what `systemctl show` says of all units, docker.service as given."""
    ours = f"Id=docker.service\nLoadState={load}\nActiveState={active}\nUnitFileState={enabled}"
    return "\n\n".join(ours if name == "docker.service" else f"Id={name}\nLoadState=not-found" for name in KEPT)


def machine(info: dict[str, Any] | None = None, files: dict[str, Any] | None = None,
            without: tuple[str, ...] = (), commands: dict[Any, Any] | None = None) -> FakeMachine:
    """Return a machine that is as the profile wants it, with changes."""
    content: dict[str, Any] = {
        "/usr/sbin/dockerd": mode("file", 0o755), "/usr/bin/nvidia-container-runtime": mode("file", 0o755),
        "/usr/bin/nvidia-ctk": mode("file", 0o755), "/run/docker.sock": mode("socket", 0o660),
        PID_FILE: "77\n", "/proc/77/comm": "dockerd\n", DAEMON_JSON: json.dumps(CONFIG),
        "/etc/group": "root:x:0:\ndocker:x:102:ada\n", "/etc/passwd": "ada:x:1000:1000::/home/ada:/bin/bash\n",
        "/var/lib/dpkg/status": status(dict.fromkeys(PACKAGES, VERSION)),
        PIN: f"Package: x\nPin: version {VERSION}\nPin-Priority: 1001\n",
    } | (files or {})
    for path in without:
        content.pop(path)
    answers = {INFO_ARGV: json.dumps(INFO | (info or {})), units_argv(): units()} | (commands or {})
    return FakeMachine(content, answers, folders=("/run/systemd/system",))


def stopped() -> FakeMachine:
    """Return the machine with its engine down."""
    return machine(without=(PID_FILE,), commands={units_argv(): units("inactive")})


def verdicts(check: Any, host: FakeMachine, resolved: ResolvedProfile | None = None) -> list[str]:
    """Return the verdicts of a check on a machine."""
    resolved = resolved or profile()
    return [str(outcome.verdict) for outcome in check.judge(check.observe(host, resolved), resolved)]
