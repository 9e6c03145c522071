"""Starts an inference server, waits until it is ready, and ends it with everything it has started."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess  # noqa: TID251 - a job runs apart from the agent
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .client import Target, ask_once, get

POLL_S, TERM_S, KILL_S = 0.5, 30.0, 10.0
LOG_BYTES = 48_000
APART = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1",
         "PYTHONUNBUFFERED": "1",
         # In a container without a network the host's name leads nowhere; its parts talk over the loopback.
         "VLLM_HOST_IP": "127.0.0.1", "GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"}


class ServerFailed(Exception):
    """The server did not come up, or went away; `text` begins with a sentence and goes on with its log."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def free_port() -> int:
    """Return a port of the loopback that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def command(engine: str, python: str, model: Path, port: int, options: Sequence[str]) -> list[str]:
    """Return what starts a server of a model at a port of the loopback."""
    if engine == "transformers":
        run = "import sys; from transformers.cli.transformers import main; sys.exit(main())"
        return [python, "-c", run, "serve", str(model), "--host", "127.0.0.1", "--port", str(port), *options]
    return [python, "-m", "vllm.entrypoints.cli.main", "serve", str(model), "--host", "127.0.0.1",
            "--port", str(port), *options]


class Server:
    """One server process and what belongs to it. `folder` is its own: caches, log, working directory."""

    def __init__(self, argv: Sequence[str], folder: Path, env: dict[str, str]) -> None:
        self.file, here = folder / "log", folder / "here"
        here.mkdir(parents=True, exist_ok=True)
        kept = {name: str(folder / "cache") for name in ("HOME", "XDG_CACHE_HOME", "HF_HOME", "VLLM_CACHE_ROOT")}
        self.available_bytes, self.gpu_bytes = available_bytes(), gpu_bytes()
        with self.file.open("wb") as log:
            self.process = subprocess.Popen(
                list(argv), cwd=here, env={**os.environ, **APART, **kept, **env}, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True)
        self.begun = time.monotonic()

    def log(self) -> str:
        """Return the end of what it has written."""
        with self.file.open("rb") as stream:
            stream.seek(max(0, self.file.stat().st_size - LOG_BYTES))
            return stream.read().decode(errors="replace")

    def check_alive(self) -> None:
        """Raise ServerFailed when the process has ended."""
        code = self.process.poll()
        if code is not None:
            how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
            raise ServerFailed("server-died", f"the server {how}.\n{self.log()}")

    def wait(self, target: Target, weight_bytes: int, limit_s: float, say: Callable[[str], None]) -> dict[str, Any]:
        """Wait until the process lives, holds the weights, listens and answers; return seconds and bytes held at most.

        A page that answers is not enough: it may be another server's.
        """
        held, health = 0, 0
        while time.monotonic() - self.begun < limit_s:
            self.check_alive()
            held = max(held, self.held_bytes())
            health, _ = get(target, "/health", 2.0)
            if health == 200 and held >= weight_bytes and listens(self.pids(), target.port):
                answer = ask_once(target, "A", 1)
                self.check_alive()
                if answer.served:
                    return {"ready_s": time.monotonic() - self.begun, "held_bytes": max(held, self.held_bytes())}
            say(f"{time.monotonic() - self.begun:.0f} s, {held / 2**30:.2f} GiB held, "
                f"{'answers' if health == 200 else 'does not answer yet'}")
            time.sleep(POLL_S)
        raise ServerFailed("not-ready", f"the server was not ready after {limit_s:g} s: it held {held} bytes of "
                                        f"{weight_bytes}, its health page said {health or 'nothing'}.\n{self.log()}")

    def held_bytes(self) -> int:
        """Return the most memory it can be seen to hold: by its processes, the GPU's growth, the machine's loss.

        On unified memory neither the processes nor nvidia-smi show what a GPU program holds.
        """
        lost = self.available_bytes - available_bytes()
        on_gpu = gpu_bytes() - self.gpu_bytes if self.gpu_bytes >= 0 else lost
        return max(sum(map(resident_bytes, self.pids())), on_gpu)

    def pids(self) -> list[int]:
        """Return its processes: those of the session it leads."""
        return session_pids(self.process.pid)

    def stop(self) -> dict[str, Any]:
        """End it politely, then all that is left of it; return the seconds it took and how many had to be killed."""
        begun = time.monotonic()
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(TERM_S)
        while time.monotonic() - begun < TERM_S and self.pids():
            time.sleep(0.05)
        left = self.kill()
        return {"stop_s": time.monotonic() - begun, "left": left}

    def kill(self) -> int:
        """Kill what is left of it and wait until it is gone; return how many processes that were."""
        left = alive = self.pids()
        deadline = time.monotonic() + KILL_S  # gigabytes take a moment to be given back
        while alive and time.monotonic() < deadline:
            for pid in alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
            alive = self.pids()
        if self.process.poll() is None:
            self.process.wait()
        return len(left)


def session_pids(leader: int) -> list[int]:
    """Return the living processes of a session."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == leader and fields[0] not in "ZX":
                found.append(int(entry.name))
    return found


def listens(pids: Sequence[int], port: int) -> bool:
    """Return whether one of the processes listens at a port of IPv4."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {f"socket:[{row[9]}]" for row in rows if row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port}
    for pid in pids:
        try:
            for link in Path(f"/proc/{pid}/fd").iterdir():
                if os.readlink(link) in sockets:  # noqa: PTH115 - a socket's name is no path
                    return True
        except OSError:
            continue
    return False


def resident_bytes(pid: int) -> int:
    """Return what a process holds in memory; 0 when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(errors="replace")
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmRSS")), 0)


def available_bytes() -> int:
    """Return the machine's MemAvailable."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable")), 0)


def gpu_bytes() -> int:
    """Return the memory in use on the GPUs by nvidia-smi; -1 where it cannot tell (none, or unified memory)."""
    if shutil.which("nvidia-smi") is None:
        return -1
    try:
        done = subprocess.run(["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"], timeout=10,
                              capture_output=True, text=True, check=False)
        return sum(int(line) for line in done.stdout.split()) << 20 if done.returncode == 0 else -1
    except (ValueError, subprocess.TimeoutExpired):
        return -1
