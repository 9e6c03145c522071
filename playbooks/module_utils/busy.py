"""Who would be disturbed: processes that hold a GPU, and running containers."""

from __future__ import annotations

import json
import os
import subprocess

_QUIET = ("/dev/nvidiactl", "/dev/nvidia-modeset")
_SERVICES = ("nvidia-persiste", "nv-hostengine", "dcgm-exporter", "nvidia_gpu_expo", "nvidia-fabricm", "Xorg",
             "gnome-shell", "Xwayland", "kwin_wayland", "plasmashell")


def gpu_work(proc="/proc"):
    """Return one sentence per process or container that uses a GPU; desktop and monitoring left out.

    A process counts when it has /dev/nvidia<N> or /dev/nvidia-uvm open. Needs root to see every process.
    """
    found = []
    for pid in sorted((name for name in _names(proc) if name.isdigit()), key=int):
        devices = sorted({link for link in _open_files(f"{proc}/{pid}/fd") if _is_gpu(link)})
        if devices:
            name = _text(f"{proc}/{pid}/comm").strip() or "?"
            if name not in _SERVICES:
                found.append(f"process {pid} ({name}) has {', '.join(devices)} open")
    return found + gpu_containers()


def gpu_containers():
    """Return one sentence per running container that was given a GPU (daemon-reload can take it away)."""
    return [f"container {name} was given a GPU" for name, gpu in _containers() if gpu]


def running_containers(proc="/proc"):
    """Return one sentence per running container.

    An engine that is down is looked behind: with live-restore its containers run on under their shims.
    """
    known = _containers()
    if known:
        return [f"container {name} is running" for name, _ in known]
    return [f"a container is running (shim process {pid})" for pid in _shims(proc)]


def _shims(proc):
    """Return the process ids of containerd shims that serve Docker's containers."""
    for pid in sorted((name for name in _names(proc) if name.isdigit()), key=int):
        words = _text(f"{proc}/{pid}/cmdline").split("\0")
        if "containerd-shim" in words[0] and "moby" in words:
            yield pid


def _is_gpu(path):
    return (path.startswith("/dev/nvidia") and path not in _QUIET) or path.startswith("/dev/dxg")


def _names(path):
    try:
        return os.listdir(path)
    except OSError:
        return []


def _open_files(folder):
    for name in _names(folder):
        try:
            yield os.readlink(f"{folder}/{name}")
        except OSError:
            continue


def _text(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _docker(*arguments):
    """Return the output of a docker command; "" without docker or when the engine does not answer in 10 s."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DOCKER_")}
    try:
        done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=10, check=False,
                              stdin=subprocess.DEVNULL, env=environment)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _engine_runs(proc="/proc"):
    """Return whether a dockerd runs; asking one that does not would start it through its socket."""
    return any(_text(f"{proc}/{name}/comm").strip() == "dockerd" for name in _names(proc) if name.isdigit())


def _containers():
    """Return (name, has a GPU) of each running container."""
    if not _engine_runs():
        return []
    ids = _docker("ps", "--quiet", "--no-trunc").split()
    if not ids:
        return []
    text = _docker("inspect", *ids)
    if not text:
        return [(one[:12], True) for one in ids]
    return [(container["Name"].lstrip("/"), wants_gpu(container)) for container in json.loads(text)]


def wants_gpu(container):
    """Return whether `docker inspect` says a container has a GPU: --gpus, CDI, --runtime nvidia, --device."""
    host = container.get("HostConfig") or {}
    for request in host.get("DeviceRequests") or []:
        kinds = [kind for group in request.get("Capabilities") or [] for kind in group]
        ids = " ".join(request.get("DeviceIDs") or [])
        if "gpu" in kinds or request.get("Driver") == "nvidia" or "nvidia.com/" in ids:
            return True
    if any(_is_gpu(device.get("PathOnHost", "")) for device in host.get("Devices") or []):
        return True
    environment = (container.get("Config") or {}).get("Env") or []
    visible = [line.partition("=")[2] for line in environment if line.startswith("NVIDIA_VISIBLE_DEVICES=")]
    return host.get("Runtime") == "nvidia" and bool(visible) and visible[-1] not in ("", "void", "none")
