"""The runtime `nvidia` is registered with Docker, can be executed, and CDI is enabled."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, failed, not_applicable, passed, unknown
from agent.machine.docker import (
    DAEMON_JSON,
    INFO_ARGV,
    DaemonJson,
    DockerInfo,
    find_program,
    observe_daemon_json,
    observe_info,
)
from agent.machine.toolkit import PACKAGES, observe_toolkit_packages
from agent.model.errors import Missing, Unobservable
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile

NAME = "nvidia"
CDI_SINCE = 25


class Seen(NamedTuple):
    """daemon.json, the engine's answer or why there is none, and the program the runtime names."""

    file: DaemonJson
    info: DockerInfo | None
    silence: str
    program: str
    found: str | None
    packaged: bool


def observe(machine: Machine, profile: ResolvedProfile) -> Seen | None:
    """Read daemon.json, look for the program, ask the engine."""
    container = profile.profile.container
    if not (container.docker.enabled and container.toolkit.enabled):
        return None
    file, info, silence = observe_daemon_json(machine), None, ""
    try:
        info = observe_info(machine)
    except Unobservable as error:
        silence = error.message
    program = _runtime(file).get("path") or (info.runtimes.get(NAME, "") if info else "")
    try:
        packaged = len(observe_toolkit_packages(machine)) == len(PACKAGES)
    except Missing:
        packaged = False
    found = find_program(machine, program) if program else None
    return Seen(file, info, silence, program, found, packaged)


def _runtime(file: DaemonJson) -> dict[str, str]:
    runtimes = file.config.get("runtimes")
    body = runtimes.get(NAME) if isinstance(runtimes, dict) else None
    return body if isinstance(body, dict) else {}


def judge(seen: Seen | None, profile: ResolvedProfile) -> list[Outcome]:
    """In the file, in force, executable; CDI and the default runtime as the profile wants them."""
    if seen is None:
        return [not_applicable("The profile does not ask for the NVIDIA Container Toolkit.")]
    if seen.file.error:
        return [unknown(f"{DAEMON_JSON} is not valid: see container.daemon-json.")]
    toolkit = profile.profile.container.toolkit
    evidence = [Evidence(DAEMON_JSON), Evidence(" ".join(INFO_ARGV))]
    if not _runtime(seen.file):
        return [failed(f"Runtime {NAME} is not registered in {DAEMON_JSON}.", subject=NAME,
                       seen="not registered", expected="nvidia-container-runtime", evidence=evidence)]
    if seen.program and not seen.found:
        if toolkit.install and not profile.profile.vendor_managed and not seen.packaged:
            return [unknown(f"{seen.program} is not there: see container.toolkit-version.")]
        return [failed(f"Runtime {NAME} is registered, but {seen.program} cannot be executed.", subject=NAME,
                       seen="no such program", expected=seen.program, evidence=evidence)]
    problems = _settings(seen, profile) or ([] if seen.info is None else _in_force(seen.info, profile))
    if problems:
        return [failed(text, subject=key, seen="missing", expected=key, evidence=evidence)
                for key, text in problems]
    if seen.info is None:
        return [unknown(f"Registered in {DAEMON_JSON}; if it is in force cannot be seen: {seen.silence}")]
    return [passed(f"Runtime {NAME} is registered and in force ({seen.found or 'a containerd shim'}).",
                   seen=seen.found or "", evidence=evidence)]


def _settings(seen: Seen, profile: ResolvedProfile) -> list[tuple[str, str]]:
    """Return (key, sentence) of what daemon.json lacks besides the runtime."""
    toolkit, config = profile.profile.container.toolkit, seen.file.config
    features, lacking = config.get("features"), []
    if toolkit.cdi and not (isinstance(features, dict) and features.get("cdi") is True):
        lacking.append(("features.cdi", f"CDI is not enabled in {DAEMON_JSON} (features.cdi)."))
    if toolkit.default_runtime and config.get("default-runtime") != NAME:
        lacking.append(("default-runtime", f"{NAME} is not the default runtime in {DAEMON_JSON}."))
    return lacking


def _in_force(info: DockerInfo, profile: ResolvedProfile) -> list[tuple[str, str]]:
    """Return (key, sentence) of what stands in the file but not in the running engine."""
    toolkit, stale = profile.profile.container.toolkit, []
    if NAME not in info.runtimes:
        stale.append((NAME, f"Runtime {NAME} stands in {DAEMON_JSON}, but the engine has not taken it over."))
    if toolkit.cdi and info.major >= CDI_SINCE and not info.cdi_folders:
        stale.append(("features.cdi", f"CDI is enabled in {DAEMON_JSON}, but not in the running engine."))
    if toolkit.default_runtime and info.default_runtime != NAME:
        stale.append(("default-runtime", f"The engine's default runtime is {info.default_runtime}."))
    return stale


CHECK = Check(
    title="NVIDIA container runtime",
    why="Without it `docker run --gpus all` fails, or falls back to a container without a GPU.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="container_toolkit"),
)
