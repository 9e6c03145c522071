"""Takes the fingerprint of a machine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from agent.model.drift import Facts, Fingerprint
from agent.model.errors import Missing, Unobservable

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.hardware import Hardware
    from agent.model.resolved import ResolvedProfile


def observe_name(machine: Machine, hardware: Hardware, resolved: ResolvedProfile) -> Fingerprint:
    """Return a fingerprint without facts: whose it would be, and the time."""
    return Fingerprint(
        machine=hardware.hostname,
        profile=resolved.profile.name,
        profile_digest=resolved.digest,
        system=f"{hardware.distribution} {hardware.distribution_version} {hardware.architecture}",
        taken=machine.clock(),
        facts={},
    )


def observe_fingerprint(machine: Machine, hardware: Hardware, resolved: ResolvedProfile) -> Fingerprint:
    """Return the facts of every area; each file is read and each command run once."""
    from agent.drift.areas import AREAS
    from agent.machine.recorded import RecordingMachine

    once = RecordingMachine(machine)
    facts: Facts = {}
    unread: dict[str, str] = {}
    for area in AREAS:
        try:
            facts[area.name] = dict(sorted(area.observe(once).items()))
        except Missing:
            facts[area.name] = {}
        except Unobservable as error:
            unread[area.name] = error.message
    return replace(observe_name(machine, hardware, resolved), facts=facts, unread=unread)
