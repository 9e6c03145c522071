"""Disposable machines: a Debian with systemd as process 1 in a container of a real Docker Engine.

A node gets the default bridge network (package mirrors are all it uses). /proc/sys is made writable in it;
vm.*, fs.* and kernel.* there are the host's own values, so `kept_host_values` saves and restores them.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from tests.node.disposable import Disposable
from tests.node.images import CACHE, REPOSITORY, node_image, product_wheel, shell

CAPABILITIES = ("SYS_ADMIN", "NET_ADMIN", "MKNOD", "SYS_PTRACE")
_NUMBERS = itertools.count(1)


class Node(Disposable):
    """A running node."""

    def __init__(self, image: str, name: str, *options: str) -> None:
        self.image, self.name, self.options = image, name, options

    def start(self) -> None:
        """Start the container and wait until systemd has finished booting."""
        shell(["docker", "run", "-d", "--name", self.name, "--hostname", self.name,
               *(word for name in CAPABILITIES for word in ("--cap-add", name)),
               "--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined",
               *control_group_options(), "--tmpfs", "/run", "--tmpfs", "/tmp:exec", "--tmpfs", "/backup",
               "-v", "/var/lib/docker", *self.options, self.image, "/sbin/init"])
        deadline = time.monotonic() + 60
        while (state := self.run(["systemctl", "is-system-running"]).out.strip()) not in ("running", "degraded"):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} did not boot in 60 s: {state or 'no answer from systemd'}")
            time.sleep(0.2)
        self.must(["mount", "-o", "remount,rw,bind", "/proc/sys"])

    def stop(self) -> None:
        """Remove the container and everything in it."""
        shell(["docker", "rm", "-f", "-v", self.name])

    def entrance(self, argv: Sequence[str]) -> list[str]:
        """Return the `docker exec` that runs `argv` in the node."""
        return ["docker", "exec", "-i", self.name, *argv]


def control_group_options() -> list[str]:
    """Return what gives systemd its control groups, on hosts with either version of them."""
    if Path("/sys/fs/cgroup/cgroup.controllers").exists():
        return ["--cgroupns", "host", "-v", "/sys/fs/cgroup:/sys/fs/cgroup:rw"]
    return ["-v", "/sys/fs/cgroup/systemd:/sys/fs/cgroup/systemd:rw"]


@contextlib.contextmanager
def running_engine() -> Iterator[None]:
    """Make sure a Docker Engine answers; one that is started here is stopped at the end."""
    if _engine_answers():
        yield
        return
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "dockerd.log").open("wb") as log:
        engine = subprocess.Popen(["dockerd", "--data-root", str(CACHE / "docker")], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while not _engine_answers():
            if engine.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"dockerd did not start; see {CACHE / 'dockerd.log'}")
            time.sleep(0.5)
        yield
    finally:
        engine.terminate()
        engine.wait(60)


def _engine_answers() -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False, timeout=30).returncode == 0


@contextlib.contextmanager
def product_image(suite: str, wheel_folder: Path) -> Iterator[str]:
    """Return an image with the work tree's product installed in it; it is removed at the end."""
    wheel = next(wheel_folder.glob("*.whl"), None) or product_wheel(wheel_folder)
    name = f"firstlight-product:{suite}-{os.getpid()}"
    builder = f"firstlight-build-{suite}-{os.getpid()}"
    shell(["docker", "run", "-d", "--name", builder, node_image(suite), "sleep", "600"])
    try:
        shell(["docker", "cp", wheel, f"{builder}:/opt/{wheel.name}"])
        shell(["docker", "exec", builder, "/opt/firstlight/bin/pip", "install", "-q", "--no-index", "--no-deps",
               f"/opt/{wheel.name}"])
        shell(["docker", "commit", "-c", 'CMD ["/sbin/init"]', builder, name])
    finally:
        shell(["docker", "rm", "-f", builder])
    try:
        yield name
    finally:
        shell(["docker", "rmi", "-f", name])


@contextlib.contextmanager
def fresh_node(image: str, *options: str) -> Iterator[Node]:
    """Start a node that nobody has touched yet (`options`: docker run's); it is removed at the end."""
    node = Node(image, f"firstlight-{os.getpid()}-{next(_NUMBERS)}", *options)
    try:
        node.start()
        yield node
    finally:
        node.stop()


def _profile_keys() -> set[str]:
    keys: set[str] = set()
    for path in (REPOSITORY / "playbooks/profiles").glob("*.yml"):
        part = (yaml.safe_load(path.read_text()).get("kernel") or {}).get("sysctl") or {}
        keys |= set(part.get("values") or {}) | set(part.get("floors") or {})
    return keys


@contextlib.contextmanager
def kept_host_values() -> Iterator[None]:
    """Put back, at the end, every kernel setting of the host that a profile names."""
    files = [Path("/proc/sys") / key.replace(".", "/") for key in sorted(_profile_keys())]
    before = {path: path.read_text() for path in files if path.exists()}
    try:
        yield
    finally:
        for path, text in before.items():
            if path.read_text() != text:
                path.write_text(text)
