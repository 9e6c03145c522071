"""A Docker Engine of the test's own beside the machine's, with a stand-in NVIDIA runtime, and the machine it makes."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import tarfile
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from agent.machine.api import Completed, FileStatus
from agent.machine.local import LocalMachine

HERE = Path(__file__).parent
DRIVER = "580.95.05"
LOADED = f"NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {DRIVER}  Release Build  (bed)\n"
SPEC = ("cdiVersion: 0.5.0\nkind: nvidia.com/gpu\ndevices:\n- name: all\ncontainerEdits:\n  mounts:\n"
        "  - hostPath: /usr/lib/libcuda.so.{driver}\n    containerPath: /usr/lib/libcuda.so.{driver}\n")
TOML = "etc/nvidia-container-runtime/config.toml"
_MOVED = ("/etc/docker/", "/etc/cdi", "/run/cdi", "/run/docker.pid", "/proc/driver/nvidia/", "/etc/nvidia-container-",
          "/usr/bin/nvidia-")


class Sandbox(LocalMachine):
    """This machine, but for what belongs to Docker and NVIDIA: that stands below `root`, behind a socket there."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def _moved(self, path: str) -> str:
        return f"{self.root}{path}" if path.startswith(_MOVED) else path

    def run(self, argv: Sequence[str], *, timeout_s: float = 5.0, ok: Collection[int] | None = (0,)) -> Completed:
        """Run a command; docker asks the engine of the sandbox."""
        words = ["docker", "-H", f"unix://{self.root}/docker.sock", *argv[1:]] if argv[0] == "docker" else [*argv]
        return super().run(words, timeout_s=max(timeout_s, 30.0), ok=ok)

    def read_bytes(self, path: str, *, limit_bytes: int = 1 << 20) -> bytes:
        """Read a file."""
        return super().read_bytes(self._moved(path), limit_bytes=limit_bytes)

    def listing(self, path: str) -> tuple[str, ...]:
        """List a folder."""
        return super().listing(self._moved(path))

    def status(self, path: str) -> FileStatus:
        """Look at a path."""
        return super().status(self._moved(path))

    def exists(self, path: str) -> bool:
        """Return whether a path exists."""
        return super().exists(self._moved(path))


class GpuBed:
    """The engine, the files around it, and containers of one small image."""

    def __init__(self, root: Path, library: Path, profile: Path, *, hook: bool = False) -> None:
        self.root, self.machine, self.hook = root, Sandbox(root), hook
        self.runtime = root / "usr/bin/nvidia-container-runtime"
        for folder in ("etc/docker", "etc/cdi", "run/cdi", "proc/driver/nvidia", Path(TOML).parent, "usr/bin"):
            (root / folder).mkdir(parents=True)
        self.runtime.write_text((HERE / "runtime.py").read_text())
        self.runtime.chmod(0o755)
        self.settings = {"mode": "auto", "cdi": str(root / "run/cdi"), "profile": "/etc/nvml.conf", "mounts": {
            str(library / "libnvidia-ml.so.1"): "/usr/lib/libnvidia-ml.so.1", str(profile): "/etc/nvml.conf"}}
        if hook:
            (root / "usr/bin/nvidia-container-runtime-hook").write_text("#!/bin/sh\n")
            (root / "usr/bin/nvidia-container-runtime-hook").chmod(0o755)
        self.healthy()

    def healthy(self) -> None:
        """Put every file as it must be."""
        self.write_daemon(runtime=True)
        (self.root / "run/cdi/nvidia.yaml").write_text(SPEC.format(driver=DRIVER))
        (self.root / "proc/driver/nvidia/version").write_text(LOADED)
        self.set_mode("auto")

    def write_daemon(self, *, runtime: bool) -> None:
        """Write daemon.json."""
        ours = {"nvidia": {"path": str(self.runtime), "runtimeArgs": []}} if runtime else {}
        # an engine that reads its file again keeps the runtimes it has when the file names none
        default = {"default-runtime": "nvidia"} if runtime and self.hook else {}
        values = default | {"features": {"cdi": True}, "runtimes": {"other": {"path": "runc"}} | ours}
        (self.root / "etc/docker/daemon.json").write_text(json.dumps(values))

    def set_mode(self, mode: str) -> None:
        """Set the runtime's mode in its settings and in what the stand-in does."""
        (self.root / TOML).write_text(f'[nvidia-container-runtime]\nmode = "{mode}"\n')
        (self.runtime.parent / "settings.json").write_text(json.dumps(self.settings | {"mode": mode}))

    def docker(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run docker against this engine."""
        return subprocess.run(["docker", "-H", f"unix://{self.root}/docker.sock", *words], capture_output=True,
                              text=True, check=False, timeout=60)

    def gpu_run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a container that asks for all GPUs through the runtime."""
        return self.docker("run", "--runtime", "nvidia", "-e", "NVIDIA_VISIBLE_DEVICES=all", "--network", "none",
                           *words)

    def reload(self) -> None:
        """Have the engine read its settings again, and wait until it has."""
        pid = int((self.root / "run/docker.pid").read_text())
        os.kill(pid, 1)
        time.sleep(1)

    def load_image(self) -> None:
        """Make the image `smi`: the program, its C library, nothing else."""
        program = self.root / "smi"
        subprocess.run(["cc", "-O1", "-o", str(program), str(HERE / "smi.c"), "-ldl"], check=True)
        listed = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=True).stdout
        libraries = re.findall(r"(/\S+\.so\S*) \(0x", listed)
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for path in (*libraries, "/etc/ld.so.cache"):
                archive.add(os.path.realpath(path), path.lstrip("/"))
            for name in ("smi", "usr/bin/nvidia-smi"):
                archive.add(program, name)
        subprocess.run(["docker", "-H", f"unix://{self.root}/docker.sock", "import", "-c", 'ENTRYPOINT ["/smi"]', "-",
                        "smi"], input=packed.getvalue(), check=True, capture_output=True)


@contextlib.contextmanager
def running_bed(root: Path, library: Path, profile: Path, *, hook: bool = False) -> Iterator[GpuBed]:
    """Start the engine; it and what it ran are stopped at the end.

    `hook`: it takes `--gpus`, because it finds the program that a real toolkit would bring for that; the stand-in
    runtime, the engine's default one then, does the work.
    """
    bed = GpuBed(root, library, profile, hook=hook)
    # a network namespace of its own: an engine without a bridge removes docker0, which belongs to the machine's
    argv = ["unshare", "--net", "dockerd", "--config-file", str(root / "etc/docker/daemon.json"),
            "--data-root", str(root / "data"), "--exec-root", str(root / "exec"),
            "--pidfile", str(root / "run/docker.pid"), "--bridge", "none",
            "--iptables=false", "--ip6tables=false", "-H", f"unix://{root}/docker.sock"]
    with (root / "dockerd.log").open("wb") as log:
        path = f"{root}/usr/bin:{os.environ['PATH']}" if hook else os.environ["PATH"]
        engine = subprocess.Popen(argv, stdout=log, stderr=log, env={**os.environ, "PATH": path})
    try:
        deadline = time.monotonic() + 60
        while bed.docker("info", "--format", "{{.ServerVersion}}").returncode:
            assert engine.poll() is None, (root / "dockerd.log").read_text()[-2000:]
            assert time.monotonic() < deadline, "dockerd did not start in 60 s"
            time.sleep(0.3)
        bed.load_image()
        yield bed
    finally:
        ids = bed.docker("ps", "-aq").stdout.split()
        if ids:
            bed.docker("rm", "-f", *ids)
        engine.terminate()
        engine.wait(60)
