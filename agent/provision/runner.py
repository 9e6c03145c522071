"""One playbook run on this machine through ansible-runner; the only file that imports it.

Facts this stands on (measured): a private folder used twice keeps the first run's command line and variables;
an event handler that takes long or raises breaks the run; the caller's environment is written to
`artifacts/<id>/command`. So: a fresh folder per run, a handler that only enqueues, an environment of our own.
"""

from __future__ import annotations

import contextlib
import json
import queue
import shutil
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.model.errors import ProvisionError
from agent.provision.events import FAR
from agent.provision.places import make_private

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.provision.stop import Stop

PREFIX = "run-"
MARK = "FIRSTLIGHT_RUN"
SYSTEM_PYTHON = "/usr/bin/python3"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CANCEL_POLL_S = 0.25
FAR_EVERY_S, FAR_LIMIT_BYTES = 1.0, 200
FROM_RUNNER = ("AWX_ISOLATED_DATA_DIR", "ANSIBLE_CALLBACK_PLUGINS", "ANSIBLE_STDOUT_CALLBACK",
               "ANSIBLE_RETRY_FILES_ENABLED", "RUNNER_OMIT_EVENTS", "RUNNER_ONLY_FAILED_EVENTS")


@dataclass(frozen=True, slots=True)
class Invocation:
    """One run of `content`/site.yml. `tags` empty = all roles; `run_id` marks every process of the run."""

    content: Path
    variables: Mapping[str, Any]
    run_id: str
    runtime: Path
    check: bool
    tags: tuple[str, ...] = ()


@dataclass(slots=True)
class Ended:
    """How ansible ended: its exit code, and the lines it printed outside any task (errors, warnings)."""

    code: int
    lines: list[str] = field(default_factory=list)


def execute(call: Invocation, on_event: Callable[[Mapping[str, Any]], None], stop: Stop) -> Ended:
    """Run the playbook; `on_event` gets every event, in order, in a thread of its own.

    Raises ProvisionError when ansible cannot be started, and whatever `on_event` raised (it stops the run).
    """
    make_private(call.runtime)
    private = Path(tempfile.mkdtemp(prefix=PREFIX, dir=call.runtime))
    try:
        stop.watch(private / "stop")
        return _run(call, private, on_event, stop)
    finally:
        _remove(private)


def remove_stale(runtime: Path) -> None:
    """Remove the private folders that killed runs left. Only for the holder of the exclusive lock."""
    for folder in runtime.glob(PREFIX + "*"):
        if folder.is_dir() and not folder.is_symlink():
            _remove(folder)


def environment(private: Path, call: Invocation) -> dict[str, str]:
    """Return everything ansible and its modules see of an environment; nothing of the caller's is in it."""
    data = call.content
    return {
        "PATH": PATH, "HOME": str(private), "TMPDIR": tempfile.gettempdir(), "TERM": "dumb",
        "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive",
        MARK: call.run_id, "FIRSTLIGHT_STOP": str(private / "stop"), "FIRSTLIGHT_FAR": str(private / "far"),
        "MAX_EVENT_RES": str(16 << 20),
        "ANSIBLE_CONFIG": str(private / "ansible.cfg"), "ANSIBLE_HOME": str(private),
        "ANSIBLE_LOCAL_TEMP": str(private / "tmp"), "ANSIBLE_REMOTE_TEMP": str(private / "tmp"),
        "ANSIBLE_LIBRARY": str(data / "library"), "ANSIBLE_MODULE_UTILS": str(data / "module_utils"),
        "ANSIBLE_ROLES_PATH": str(data / "roles"),
        "ANSIBLE_CALLBACK_PLUGINS": str(data / "callback_plugins"),
        "ANSIBLE_CALLBACKS_ENABLED": "firstlight_stop",
        "ANSIBLE_COLLECTIONS_PATH": str(private), "ANSIBLE_COLLECTIONS_SCAN_SYS_PATH": "False",
        "ANSIBLE_INVENTORY_ENABLED": "host_list", "ANSIBLE_GATHERING": "explicit", "ANSIBLE_FORKS": "1",
        "ANSIBLE_PIPELINING": "1", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_NOCOWS": "1",
        "ANSIBLE_LOCALHOST_WARNING": "False", "ANSIBLE_INVENTORY_UNPARSED_WARNING": "False",
        "ANSIBLE_DEPRECATION_WARNINGS": "False",
    }


def _run(call: Invocation, private: Path, on_event: Callable[[Mapping[str, Any]], None], stop: Stop) -> Ended:
    from ansible_runner import Runner  # noqa: TID251
    from ansible_runner.exceptions import AnsibleRunnerException  # noqa: TID251

    config = _configure(call, private)
    pump = _Pump(on_event, stop)
    far = _Far(private / "far")

    def look() -> bool:
        """Called by ansible-runner every CANCEL_POLL_S; True ends the run."""
        if text := far.news():
            pump.put({"event": FAR, "event_data": {"text": text}})
        return stop.at_once

    try:
        _, code = Runner(config, event_handler=pump.put, cancel_callback=look).run()
    except AnsibleRunnerException as error:
        raise ProvisionError(f"ansible-runner: {error}") from error
    finally:
        pump.finish()
    return Ended(code if isinstance(code, int) else 254, pump.lines)


def _configure(call: Invocation, private: Path) -> Any:
    """Return a RunnerConfig. `prepare` takes the caller's environment, which is then replaced by ours."""
    from ansible_runner import RunnerConfig  # noqa: TID251

    program = Path(sys.executable).with_name("ansible-playbook")
    if not program.exists():
        raise ProvisionError(f"{program} does not exist", "install Firstlight again: ansible-core is missing")
    local = {"ansible_connection": "local", "ansible_python_interpreter": _python()}
    _write(private / "ansible.cfg", "")
    _write(private / "env" / "extravars", json.dumps(dict(call.variables) | local))
    ours = environment(private, call)
    config = RunnerConfig(
        private_data_dir=str(private), playbook=str(call.content / "site.yml"), inventory="localhost,",
        cmdline="--diff --check" if call.check else "--diff", tags=",".join(call.tags) or None,
        ident=call.run_id, envvars=ours | {"AWX_LIB_DIRECTORY": ""}, fact_cache_type="memory", quiet=True,
        suppress_env_files=True,
    )
    config.prepare()
    config.env = ours | {name: config.env[name] for name in FROM_RUNNER if name in config.env}
    config.command = [*_deathbed(), str(program), *config.command[1:]]
    config.pexpect_timeout = CANCEL_POLL_S
    config.suppress_output_file = True
    return config


def _deathbed() -> list[str]:
    """Return the prefix that makes the kernel end ansible-playbook with us; a task in flight still ends."""
    setpriv = shutil.which("setpriv", path=PATH)
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []


def _python() -> str:
    """Return the interpreter for modules: the system's, because python3-apt belongs to it."""
    return SYSTEM_PYTHON if Path(SYSTEM_PYTHON).exists() else sys.executable


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(text, encoding="utf-8")


def _remove(folder: Path) -> None:
    """Remove a private folder; a process that still writes there gets a second and a third look."""
    for _ in range(3):
        with contextlib.suppress(OSError):
            shutil.rmtree(folder)
            return
    shutil.rmtree(folder, ignore_errors=True)


class _Far:
    """The file in which the module at work says how far it is, in one line (FIRSTLIGHT_FAR)."""

    def __init__(self, file: Path) -> None:
        self._file, self._text, self._asked = file, "", 0.0

    def news(self) -> str:
        """Return the line when it is another one than last time, at most once in FAR_EVERY_S."""
        now = time.monotonic()
        if now - self._asked < FAR_EVERY_S:
            return ""
        self._asked = now
        try:
            with self._file.open("rb") as stream:
                text = stream.read(FAR_LIMIT_BYTES).decode(errors="replace").strip()
        except OSError:
            return ""
        if text == self._text:
            return ""
        self._text = text
        return text


class _Pump:
    """Carries events from ansible-runner's loop to `on_event` in a thread that starts with the first event.

    The thread starts late because ansible-playbook is forked before the first event, and a process should not
    fork once it has threads.
    """

    def __init__(self, on_event: Callable[[Mapping[str, Any]], None], stop: Stop) -> None:
        self.lines: list[str] = []
        self._on_event, self._stop = on_event, stop
        self._queue: queue.SimpleQueue[Mapping[str, Any] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def put(self, event: Mapping[str, Any]) -> bool:
        """Enqueue; True tells ansible-runner that the event was handled."""
        self._queue.put(event)
        if self._thread is None:
            self._thread = threading.Thread(target=self._drain, name="firstlight-events", daemon=True)
            self._thread.start()
        return True

    def finish(self) -> None:
        """Wait until every event is handled; raise what the handler raised."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
        if self._error is not None:
            raise self._error

    def _drain(self) -> None:
        while (event := self._queue.get()) is not None:
            if event.get("event") in ("verbose", "error", "warning", "system_warning"):
                self.lines += [line for line in str(event.get("stdout", "")).splitlines() if line.strip()]
                del self.lines[:-40]
            if self._error is None:
                try:
                    self._on_event(event)
                except BaseException as error:  # carried to the caller's thread
                    self._error = error
                    self._stop.at_once = self._stop.requested = True
