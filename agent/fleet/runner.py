"""Asks the machines of an Ansible inventory one question, through ansible-runner and SSH.

Unlike a run on this machine (agent/provision/runner.py), the environment keeps what SSH needs: home and agent.
A private folder is used once; the event handler only enqueues.
"""

from __future__ import annotations

import fnmatch
import json
import os
import queue
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.fleet.answers import Answer, Reach, answer_of
from agent.machine.process import run_command
from agent.model.errors import ProvisionError, Unobservable, UsageError
from agent.resources import playbooks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

MAX_FORKS = 50
CONNECT_S = 10
LISTING_S = 60.0
KEPT = (
    "HOME",
    "USER",
    "LOGNAME",
    "SSH_AUTH_SOCK",
    "SSH_AGENT_PID",
    "KRB5CCNAME",
    "ANSIBLE_VAULT_PASSWORD_FILE",
    "ANSIBLE_HOST_KEY_CHECKING",
    "ANSIBLE_PRIVATE_KEY_FILE",
    "ANSIBLE_SSH_ARGS",
)
FROM_RUNNER = (
    "AWX_ISOLATED_DATA_DIR",
    "ANSIBLE_CALLBACK_PLUGINS",
    "ANSIBLE_STDOUT_CALLBACK",
    "ANSIBLE_RETRY_FILES_ENABLED",
)


@dataclass(frozen=True, slots=True)
class Fleet:
    """Which machines, and how to reach them. `deadline_s`: how long one machine may take to answer one question."""

    inventory: str
    hosts: tuple[str, ...]
    forks: int = MAX_FORKS
    become: bool = False
    deadline_s: int = 120


def load_hosts(inventory: str, limit: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the hosts of an inventory in its order; with `limit`, those whose name or group is one of these.

    Raises UsageError for an inventory that cannot be read, a pattern without hosts, an inventory without hosts.
    """
    if not inventory.endswith(",") and not Path(inventory).exists():
        raise UsageError(f"{inventory}: no such inventory", "name an Ansible inventory: -i FILE or FOLDER")
    program = Path(sys.executable).with_name("ansible-inventory")
    hint = f"see: {program} -i {inventory} --list"
    try:
        done = run_command((str(program), "-i", inventory, "--list"), LISTING_S)
        listed = json.loads(done.out)
    except (Unobservable, ValueError) as error:
        raise UsageError(f"{inventory}: cannot be read: {error}", hint) from error
    if done.code != 0 or not isinstance(listed, dict):
        raise UsageError(f"{inventory}: cannot be read: {done.err.strip()[-500:]}", hint)
    groups = {name: _members(listed, name) for name in listed if name != "_meta"}
    hosts = _limited(tuple(dict.fromkeys(groups.get("all") or ())), groups, limit)
    if not hosts:
        raise UsageError(f"{inventory}: holds no machines", f"see: ansible-inventory -i {inventory} --graph")
    return hosts


def _limited(
    hosts: tuple[str, ...], groups: Mapping[str, Sequence[str]], limit: Sequence[str]
) -> tuple[str, ...]:
    """Return the hosts that one of the patterns names, by themselves or by a group; all without patterns."""
    chosen: set[str] = set()
    for pattern in limit:
        named = set(fnmatch.filter(hosts, pattern))
        named |= {host for name in fnmatch.filter(groups, pattern) for host in groups[name]}
        if not named:
            raise UsageError(f"--limit {pattern}: no machine and no group of this name")
        chosen |= named
    return tuple(host for host in hosts if not limit or host in chosen)


def _members(listed: Mapping[str, Any], group: str) -> list[str]:
    body = listed.get(group) or {}
    found = list(body.get("hosts") or [])
    for child in body.get("children") or []:
        found += _members(listed, child)
    return found


def ask(
    fleet: Fleet,
    words: Sequence[str],
    *,
    hosts: Sequence[str] | None = None,
    on_answer: Callable[[Answer], None] = lambda answer: None,
) -> dict[str, Answer]:
    """Run `firstlight WORDS` on every machine (or on `hosts`) and return the answers by host, each host once.

    Raises ProvisionError when ansible cannot be started. `on_answer` is told of each answer as it comes.
    """
    from ansible_runner import Runner  # noqa: TID251
    from ansible_runner.exceptions import AnsibleRunnerException  # noqa: TID251

    wanted = tuple(fleet.hosts if hosts is None else hosts)
    heard = _Heard(fleet.deadline_s, wanted, on_answer)
    private = Path(tempfile.mkdtemp(prefix="firstlight-fleet-"))
    try:
        config = _configured(fleet, wanted, words, private)
        Runner(config, event_handler=heard.put, cancel_callback=heard.drain).run()
    except AnsibleRunnerException as error:
        raise ProvisionError(f"ansible-runner: {error}") from error
    finally:
        shutil.rmtree(private, ignore_errors=True)  # what was heard outweighs a folder that stays
    heard.drain()
    silent = "; ".join(heard.lines[:3]) or "ansible ended without a word about it"
    return {host: heard.answers.get(host) or Answer(host, Reach.FAILED, problem=silent) for host in wanted}


class _Heard:
    """Events as they come, and the answers in them; `drain` is called by the loop of ansible-runner."""

    def __init__(self, deadline_s: int, wanted: tuple[str, ...], on_answer: Callable[[Answer], None]) -> None:
        self.answers: dict[str, Answer] = {}
        self.lines: list[str] = []
        self._deadline_s, self._wanted, self._on_answer = deadline_s, wanted, on_answer
        self._events: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()

    def put(self, event: Mapping[str, Any]) -> bool:
        """Enqueue; True tells ansible-runner that the event was handled."""
        self._events.put(event)
        return True

    def drain(self) -> bool:
        """Take what has come; False tells ansible-runner to go on."""
        while not self._events.empty():
            event = self._events.get()
            if event.get("event") in ("verbose", "error") and "ERROR" in str(event.get("stdout")):
                self.lines.append(" ".join(str(event["stdout"]).split()))
            answer = answer_of(event, self._deadline_s)
            if answer is not None and answer.host in self._wanted:
                self.answers[answer.host] = answer
                self._on_answer(answer)
        return False


def _configured(fleet: Fleet, hosts: Sequence[str], words: Sequence[str], private: Path) -> Any:
    from ansible_runner import RunnerConfig  # noqa: TID251

    program = Path(sys.executable).with_name("ansible-playbook")
    if not program.exists():
        raise ProvisionError(f"{program} does not exist", "install Firstlight again: ansible-core is missing")
    (private / "env").mkdir(mode=0o700)
    (private / "ansible.cfg").touch()
    (private / "env" / "extravars").write_text(
        json.dumps({"firstlight_words": list(words)}), encoding="utf-8"
    )
    (private / "hosts").write_text("\n".join(hosts) + "\n", encoding="utf-8")
    ours = _environment(private) | {"ANSIBLE_TASK_TIMEOUT": str(fleet.deadline_s)}
    config = RunnerConfig(
        private_data_dir=str(private),
        playbook=str(playbooks() / "fleet.yml"),
        inventory=fleet.inventory,
        limit=f"@{private / 'hosts'}",
        forks=max(1, min(fleet.forks, MAX_FORKS)),
        ident="fleet",
        quiet=True,
        cmdline="--become" if fleet.become else None,
        envvars=ours | {"AWX_LIB_DIRECTORY": ""},
        fact_cache_type="memory",
        suppress_env_files=True,
    )
    config.prepare()
    config.env = ours | {name: config.env[name] for name in FROM_RUNNER if name in config.env}
    config.command = [str(program), *config.command[1:]]
    config.pexpect_timeout = 0.25
    config.suppress_output_file = True
    return config


def _environment(private: Path) -> dict[str, str]:
    """Return what ansible and ssh see of an environment."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return kept | {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "TERM": "dumb",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "MAX_EVENT_RES": str(16 << 20),
        "ANSIBLE_HOME": str(private / "home"),
        "ANSIBLE_LOCAL_TEMP": str(private / "tmp"),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(private / "cp"),
        "ANSIBLE_CONFIG": str(private / "ansible.cfg"),
        "ANSIBLE_GATHERING": "explicit",
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_TIMEOUT": str(CONNECT_S),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_NOCOWS": "1",
        "ANSIBLE_DEPRECATION_WARNINGS": "False",
        "ANSIBLE_PYTHON_INTERPRETER": "auto_silent",
    }
