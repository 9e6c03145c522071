"""What Docker Engine this machine has: how it was started, and what it says about itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field

UNIT = "docker.service"
DEFAULTS = "/etc/default/docker"
_PROPERTIES = "LoadState,ActiveState,UnitFileState,FragmentPath,DropInPaths,ExecStart,MainPID"
_SHORT = {"H": "hosts", "g": "data-root", "s": "storage-driver", "b": "bridge", "D": "debug",
          "l": "log-level", "p": "pidfile", "G": "group"}
_PLURAL = {"host": "hosts", "insecure-registry": "insecure-registries", "label": "labels",
           "registry-mirror": "registry-mirrors", "storage-opt": "storage-opts", "exec-opt": "exec-opts",
           "log-opt": "log-opts", "default-ulimit": "default-ulimits", "dns-opt": "dns-opts",
           "authorization-plugin": "authorization-plugins", "graph": "data-root"}
_SILENT = ("runtimes", "add-runtime", "config-file", "validate")
RELOADABLE = ("debug", "labels", "live-restore", "max-concurrent-downloads", "max-concurrent-uploads",
              "max-download-attempts", "default-runtime", "runtimes", "authorization-plugins",
              "insecure-registries", "registry-mirrors", "shutdown-timeout")


@dataclass(frozen=True)
class Engine:
    """`dockerd`: its path, "" = not installed. `unit`: systemctl's properties. `info`: {} = does not answer.

    `arguments`: the command line dockerd runs with, or would run with.
    """

    dockerd: str = ""
    snap: bool = False
    unit: dict = field(default_factory=dict)
    info: dict = field(default_factory=dict)
    arguments: tuple = ()

    @property
    def running(self):
        """Whether dockerd runs under its unit."""
        return self.unit.get("ActiveState") in ("active", "reloading", "activating")

    @property
    def started(self):
        """When dockerd wrote its process id, in seconds since the epoch; 0 = unknown."""
        try:
            return os.stat("/run/docker.pid").st_mtime if self.running else 0.0
        except OSError:
            return 0.0

    @property
    def major(self):
        """The engine's major version, 0 = unknown."""
        first = str(self.info.get("ServerVersion", "")).partition(".")[0]
        return int(first) if first.isdigit() else 0


def run(*argv, timeout_s=60):
    """Run a command without a shell; return (exit code, output, errors). 127 = not found, 124 = deadline."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DOCKER_")}
    environment.update(LC_ALL="C.UTF-8", DEBIAN_FRONTEND="noninteractive")
    try:
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=timeout_s,
                              check=False, stdin=subprocess.DEVNULL, env=environment)
    except FileNotFoundError:
        return 127, "", f"{argv[0]}: not found"
    except subprocess.TimeoutExpired:
        return 124, "", f"{' '.join(argv)}: no answer in {timeout_s} s"
    return done.returncode, done.stdout, done.stderr


def seen_engine():
    """Return the Engine of this machine."""
    dockerd = shutil.which("dockerd", path="/usr/bin:/usr/sbin:/usr/local/bin:/usr/local/sbin") or ""
    snap = os.path.exists("/snap/bin/docker") or os.path.isdir("/var/snap/docker/current")
    unit = unit_properties()
    # Asked only while it runs: its socket would start it, and a plan starts nothing.
    runs = unit.get("ActiveState") in ("active", "reloading") or engine_process()
    info = daemon_info() if runs else {}
    return Engine(dockerd, snap, unit, info, _arguments(unit))


def engine_process():
    """Return whether the process in docker's pid file is a dockerd."""
    try:
        with open("/run/docker.pid", encoding="utf-8") as stream, \
                open(f"/proc/{int(stream.read())}/comm", encoding="utf-8") as name:
            return name.read().strip() == "dockerd"
    except (OSError, ValueError):
        return False


def survives_restart(engine, config):
    """Return whether containers live through a restart: live-restore in force now, and still on afterwards.

    An engine that comes up without it stops what the one before left running.
    """
    stays = config.get("live-restore") is True or "--live-restore" in engine.arguments
    return stays and engine.info.get("LiveRestoreEnabled") is True


def unit_properties():
    """Return docker.service's properties as systemd gives them; {} without systemd."""
    code, out, _ = run("systemctl", "show", UNIT, f"--property={_PROPERTIES}")
    if code:
        return {}
    return dict(line.split("=", 1) for line in out.splitlines() if "=" in line)


def daemon_info(timeout_s=20):
    """Return `docker info` as an object; {} when no engine answers."""
    _, out, _ = run("docker", "info", "--format", "{{json .}}", timeout_s=timeout_s)
    try:
        info = json.loads(out)
    except ValueError:
        return {}
    return info if isinstance(info, dict) and info.get("ServerVersion") else {}


def _arguments(unit):
    pid = unit.get("MainPID", "0")
    if pid != "0":
        try:
            with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as stream:
                return tuple(stream.read().split("\0")[1:-1])
        except OSError:
            pass  # gone since systemctl answered: what it will be started with stands in its unit
    words = unit.get("ExecStart", "").partition("argv[]=")[2].partition(" ;")[0].split()[1:]
    return tuple(word for word in words if not word.startswith("$")) + _default_options()


def _default_options():
    """Return the words of DOCKER_OPTS in /etc/default/docker."""
    try:
        with open(DEFAULTS, encoding="utf-8", errors="replace") as stream:
            lines = [line.strip() for line in stream]
    except OSError:
        return ()
    values = [line.partition("=")[2].strip("\"'") for line in lines if line.startswith("DOCKER_OPTS=")]
    return tuple(values[-1].split()) if values else ()


def flag_keys(arguments):
    """Return {daemon.json key: the flag as written} of a dockerd command line."""
    found = {}
    for word in arguments:
        if word.startswith("--"):
            name = word[2:].partition("=")[0]
        elif word.startswith("-") and word[1:2] in _SHORT:
            name = _SHORT[word[1]]
        else:
            continue
        if name not in _SILENT:
            found[_PLURAL.get(name, name)] = word
    return found


def flag_place(engine, flag):
    """Return the file that gives dockerd this flag: the last drop-in, unit or defaults file naming it."""
    files = [engine.unit.get("FragmentPath", ""), *engine.unit.get("DropInPaths", "").split(), DEFAULTS]
    for path in reversed(files):
        try:
            with open(path, encoding="utf-8", errors="replace") as stream:
                lines = [line for line in stream if not line.lstrip().startswith("#")]
        except OSError:
            continue
        if any(flag in line for line in lines):
            return path
    return "dockerd's command line"


def not_in_force(config, info):
    """Return (key, wanted, seen) of each daemon.json value that `docker info` shows otherwise."""
    plain = {"log-driver": "LoggingDriver", "live-restore": "LiveRestoreEnabled", "debug": "Debug",
             "default-runtime": "DefaultRuntime", "storage-driver": "Driver", "data-root": "DockerRootDir"}
    found = [(key, config[key], info[name]) for key, name in plain.items()
             if key in config and name in info and info[name] != config[key]]
    found = [item for item in found if item[0] != "data-root" or os.path.realpath(item[1]) != item[2]]
    known = info.get("Runtimes") or {}
    wanted = config.get("runtimes") or {}
    found += [("runtimes", name, "not registered") for name in wanted if name not in known]
    for option in config.get("exec-opts") or []:
        name, _, value = option.partition("=")
        if name == "native.cgroupdriver" and value != info.get("CgroupDriver"):
            found.append(("exec-opts", option, info.get("CgroupDriver")))
    version = str(info.get("ServerVersion", "")).partition(".")[0]
    wants_cdi = (config.get("features") or {}).get("cdi") is True
    if wants_cdi and version.isdigit() and int(version) >= 25 and not info.get("CDISpecDirs"):
        found.append(("features", "cdi", "no CDI directories"))
    return found
