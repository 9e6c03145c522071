"""docker.service runs, answers, and will run after a boot."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, failed, not_applicable, passed, unknown
from agent.machine.docker import INFO_ARGV, UNIT, observe_info, observe_unit
from agent.model.errors import Unobservable
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile


class Seen(NamedTuple):
    """Three properties of the unit; `silence` is why the engine gave no answer, "" when it gave one."""

    load: str
    active: str
    enabled: str
    silence: str


def observe(machine: Machine, profile: ResolvedProfile) -> Seen | None:
    """Ask systemd, and the engine only when systemd says that it runs."""
    if not profile.profile.container.docker.enabled:
        return None
    unit = observe_unit(machine)
    silence = ""
    if unit.get("ActiveState") == "active":
        try:
            observe_info(machine)
        except Unobservable as error:
            silence = error.message
    return Seen(unit.get("LoadState", ""), unit.get("ActiveState", ""), unit.get("UnitFileState", ""),
                silence)


def judge(seen: Seen | None, profile: ResolvedProfile) -> list[Outcome]:
    """Active, enabled and answering; an engine that is not there is docker-engine's finding."""
    if seen is None:
        return [not_applicable("The profile does not ask for Docker.")]
    if seen.load == "not-found":
        return [unknown(f"There is no {UNIT}: see container.docker-engine.")]
    state = f"{seen.active}, {seen.enabled or seen.load}"
    evidence = [Evidence(f"systemctl show {UNIT}", (f"ActiveState={seen.active}", f"LoadState={seen.load}",
                                                    f"UnitFileState={seen.enabled}"))]
    if seen.load == "masked":
        steps = (f"systemctl unmask {UNIT}", "firstlight fix container.docker-service")
        return [failed(f"{UNIT} is masked: somebody has forbidden it to start.", seen=state,
                       expected="active, enabled", evidence=evidence, remedy=Remedy(steps=steps))]
    if seen.active not in {"active", "reloading"}:
        return [failed(f"{UNIT} does not run: it is {seen.active}.", seen=state, expected="active, enabled",
                       evidence=[*evidence, Evidence("journalctl -u docker -n 50")])]
    if not seen.enabled.startswith("enabled"):
        return [failed(f"{UNIT} runs, but will not start at boot: it is {seen.enabled or 'not enabled'}.",
                       seen=state, expected="active, enabled", evidence=evidence)]
    if seen.silence:
        return [unknown(f"{UNIT} is active and enabled, but could not be asked: {seen.silence}",
                        evidence=[*evidence, Evidence(" ".join(INFO_ARGV), (seen.silence,))])]
    return [passed(f"{UNIT} runs, answers, and starts at boot.", seen=state, expected="active, enabled",
                   evidence=evidence)]


CHECK = Check(
    title="Docker service",
    why="An engine that is down or not enabled takes every container with it, at once or at the next boot.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="docker"),
)
