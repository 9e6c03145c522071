"""Runs one job so that nothing of it is left: a program of our own, started by agent/machine/process.py.

`warden SPEC` with SPEC a JSON object: argv, folder, parent, env, time_s, memory_bytes, disk_bytes, stdin, after.
`stdin` is a file, or {module, files}: Python files that become one program for an interpreter's stdin.
Two processes: the outer one dies with whoever started it, the inner one (the guard) then ends the job. The guard is
the subreaper of everything the job starts, so also what has left the job's session or group is found and killed; what
runs elsewhere (a container) is ended by the commands in `after`. Prints one JSON object: how it ended.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
POLL_S, MEMORY_POLL_S, DISK_POLL_S, KILL_S, AFTER_S = 0.05, 0.25, 1.0, 10.0, 30.0
OUT_BYTES, ERR_BYTES = 1 << 19, 1 << 17  # six times as much as JSON must stay below process.py's limit
LIBC = ctypes.CDLL(None, use_errno=True)


class Guard:
    """Starts the job, watches it, ends it."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = spec
        self.folder = Path(spec["folder"])
        self.asked_to_stop = False
        self.peak_bytes = 0

    def run(self) -> dict[str, Any]:
        """Run the job to its end and return the account of it."""
        begun = time.monotonic()
        signal.signal(signal.SIGTERM, self._stop)
        LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        try:
            self.folder.mkdir(mode=0o700)
        except OSError as error:
            return {"how": "not-started", "why": f"{self.folder}: {error.strerror}"}
        try:
            if isinstance(self.spec.get("stdin"), dict):
                self.spec["stdin"] = str(pack(self.spec["stdin"], self.folder))
            job = self._start(self.spec["argv"], self.folder / "stdout", self.folder / "stderr")
            how, code = self._watch(job, begun)
            left = kill_children()
            wall_s = time.monotonic() - begun
            used = resource.getrusage(resource.RUSAGE_CHILDREN)
            for argv in self.spec.get("after", ()):
                self._clean(argv)
            return {"how": how, "code": code, "wall_s": wall_s, "cpu_s": used.ru_utime + used.ru_stime,
                    "peak_memory_bytes": self.peak_bytes, "left": left,
                    "out": tail(self.folder / "stdout", OUT_BYTES), "err": tail(self.folder / "stderr", ERR_BYTES)}
        finally:
            kill_children()
            shutil.rmtree(self.folder, ignore_errors=True)

    def _stop(self, *_: object) -> None:
        self.asked_to_stop = True

    def _start(self, argv: list[str], out: Path, err: Path) -> int:
        """Fork and execute; the child leads a session of its own and dies with the guard."""
        pid = os.fork()
        if pid:
            return pid
        try:
            os.setsid()
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            for target, name, flags in ((0, self.spec.get("stdin") or os.devnull, os.O_RDONLY),
                                        (1, out, os.O_WRONLY | os.O_CREAT | os.O_APPEND),
                                        (2, err, os.O_WRONLY | os.O_CREAT | os.O_APPEND)):
                os.dup2(os.open(name, flags, 0o600), target)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.spec["disk_bytes"],) * 2)
            Path("/proc/self/oom_score_adj").write_text("500")
            os.chdir(self.folder)
            os.execvpe(argv[0], argv, {**os.environ, "TMPDIR": str(self.folder), **self.spec.get("env", {})})  # noqa: S606
        except OSError as error:
            os.write(2, f"{argv[0]}: {error.strerror}\n".encode())
        finally:
            os._exit(127)

    def _watch(self, job: int, begun: float) -> tuple[str, int]:
        """Return how the job ended (exit, signal, time, memory, disk, stopped) and its code or signal."""
        look_at_memory, look_at_disk = begun, begun
        while True:
            status = reap(job)
            if status is not None:
                code = os.waitstatus_to_exitcode(status)
                if code == -signal.SIGXFSZ:
                    return "disk", 0
                return ("exit", code) if code >= 0 else ("signal", -code)
            now = time.monotonic()
            if self.asked_to_stop:
                return "stopped", 0
            if now - begun > self.spec["time_s"]:
                return "time", 0
            if now >= look_at_memory:
                look_at_memory = now + MEMORY_POLL_S
                held = memory_bytes(descendants(os.getpid()))
                self.peak_bytes = max(self.peak_bytes, held)
                if held > self.spec["memory_bytes"]:
                    return "memory", 0
            if now >= look_at_disk:
                look_at_disk = now + DISK_POLL_S
                if folder_bytes(self.folder) > self.spec["disk_bytes"]:
                    return "disk", 0
            time.sleep(POLL_S)

    def _clean(self, argv: list[str]) -> None:
        """Run a command that ends what runs elsewhere; it too is ended when it takes too long."""
        pid = self._start(argv, self.folder / "after", self.folder / "after")
        deadline = time.monotonic() + AFTER_S
        while reap(pid) is None and time.monotonic() < deadline:
            time.sleep(POLL_S)
        kill_children()


def pack(bundle: dict[str, Any], folder: Path) -> Path:
    """Write a program that puts the bundle's files into its working directory and runs the module."""
    texts = {name: Path(file).read_text(encoding="utf-8") for name, file in bundle["files"].items()}
    program = folder / "program"
    program.write_text(
        "import pathlib, runpy, sys\n"
        f"for name, text in {texts!r}.items():\n"
        "    file = pathlib.Path('job', name)\n"
        "    file.parent.mkdir(parents=True, exist_ok=True)\n"
        "    file.write_text(text, encoding='utf-8')\n"
        "sys.path.insert(0, str(pathlib.Path('job').absolute()))\n"
        f"runpy.run_module({bundle['module']!r}, run_name='__main__', alter_sys=True)\n", encoding="utf-8")
    return program


def reap(job: int) -> int | None:
    """Collect every child that has ended; return the wait status of the job once it is among them."""
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == job:
            found = status


def descendants(root: int) -> list[int]:
    """Return the processes below one, read from /proc."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - names, not Path objects
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as stream:  # noqa: PTH123
                    parent = int(stream.read().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(name))
    found, queue = [], [root]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def lives(pid: int) -> bool:
    """Return whether a process has not ended; one that has may stand there until it has given back its memory."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:  # noqa: PTH123
            return stream.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def memory_bytes(pids: list[int]) -> int:
    """Return the anonymous and shared memory that processes hold; files they map do not count."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as stream:  # noqa: PTH123
                total += sum(int(line.split()[1]) << 10 for line in stream if line.startswith(("RssAnon", "RssShmem")))
        except OSError:
            continue
    return total


def folder_bytes(folder: Path) -> int:
    """Return what the files below a folder take on the disk."""
    total = 0
    for here, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(here, name)).st_blocks * 512  # noqa: PTH118
            except OSError:
                continue
    return total


def kill_children() -> int:
    """Kill everything below this process until nothing is left; return how many lived at first."""
    reap(0)
    first = sum(map(lives, descendants(os.getpid())))
    deadline = time.monotonic() + KILL_S
    while (alive := descendants(os.getpid())) and time.monotonic() < deadline:
        for pid in alive:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.01)
        reap(0)
    return first


def tail(file: Path, limit_bytes: int) -> str:
    """Return the end of a file as text; empty when there is none."""
    try:
        with file.open("rb") as stream:
            stream.seek(max(0, file.stat().st_size - limit_bytes))
            return stream.read().decode(errors="replace")
    except OSError:
        return ""


def main() -> None:
    """Fork the guard, wait for it, and die with whoever started this."""
    spec = json.loads(sys.argv[1])
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != spec["parent"]:
        return
    outer, guard = os.getpid(), os.fork()
    if guard:
        os.waitpid(guard, 0)
        return
    os.setsid()
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() == outer:
        account = Guard(spec).run()
        try:
            with os.fdopen(1, "wb") as stream:
                stream.write(json.dumps(account).encode())
        except BrokenPipeError:
            pass  # whoever started this is gone; the job is ended all the same
    os._exit(0)


if __name__ == "__main__":
    main()
