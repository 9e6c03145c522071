"""daemon.json is valid, holds the profile's values, and the engine runs with them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.check import Check, Outcome, failed, not_applicable, passed, unknown
from agent.machine.docker import (
    DAEMON_JSON,
    INFO_ARGV,
    DaemonJson,
    DockerInfo,
    missing_values,
    not_in_force,
    observe_daemon_json,
    observe_info,
)
from agent.model.errors import Unobservable
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile


class Seen(NamedTuple):
    """The file, and what the engine says; None with the reason in `silence` when it says nothing."""

    file: DaemonJson
    info: DockerInfo | None
    silence: str


def observe(machine: Machine, profile: ResolvedProfile) -> Seen | None:
    """Read the file and ask the engine."""
    if not profile.profile.container.docker.enabled:
        return None
    file = observe_daemon_json(machine)
    try:
        return Seen(file, observe_info(machine), "")
    except Unobservable as error:
        return Seen(file, None, error.message)


def judge(seen: Seen | None, profile: ResolvedProfile) -> list[Outcome]:
    """First the file, then what of it can be seen in force."""
    if seen is None:
        return [not_applicable("The profile does not ask for Docker.")]
    wanted = profile.profile.container.docker.daemon
    if seen.file.error:
        return [failed(f"{DAEMON_JSON}:{seen.file.error}; Docker will not start with this file.",
                       subject=DAEMON_JSON, seen="not a JSON object", expected="a JSON object",
                       evidence=[Evidence(f"{DAEMON_JSON}:{seen.file.error}")])]
    lacking = missing_values(seen.file.config, wanted)
    if lacking:
        return [failed(f"{DAEMON_JSON} has {_shown(found)} for {key}; the profile wants {_shown(value)}.",
                       subject=key, seen=_shown(found), expected=_shown(value),
                       evidence=[Evidence(DAEMON_JSON)])
                for key, value, found in lacking]
    if seen.info is None:
        return [unknown(f"{DAEMON_JSON} is as it must be; whether it is in force cannot be seen: "
                        f"{seen.silence}")]
    stale = not_in_force(wanted, seen.info)
    if stale:
        return [failed(f"{key} is {_shown(value)} in {DAEMON_JSON}, but the engine runs with "
                       f"{_shown(found)}.",
                       subject=key, seen=_shown(found), expected=_shown(value),
                       evidence=[Evidence(" ".join(INFO_ARGV))]) for key, value, found in stale]
    return [passed(f"{DAEMON_JSON} is valid and the {len(wanted)} keys of the profile are in force.",
                   evidence=[Evidence(DAEMON_JSON, tuple(f"{key}: "
                                                         f"{_shown(wanted[key])}" for key in wanted))])]


def _shown(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value)


CHECK = Check(
    title="Docker configuration",
    why="An invalid daemon.json shows at the next restart, when nothing comes up; a lost key shows when a "
        "disk "
        "is full of logs.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="docker"),
)
