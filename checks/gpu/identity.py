"""Each GPU says what it is, and it is what the profile is for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent.check import Check, Outcome, passed, unknown, warned
from agent.model.finding import Remedy
from checks.gpu import each_gpu, observe, shown

if TYPE_CHECKING:
    from agent.machine.gpu import Cards
    from agent.model.gpu import Gpu
    from agent.model.resolved import ResolvedProfile



def judge(seen: Cards, profile: ResolvedProfile) -> list[Outcome]:
    """Name and UUID must be told and the name must match the profile's regexes; no two UUIDs are equal."""
    gpus = seen.view.gpus if seen.view else ()
    uuids = [gpu.uuid for gpu in gpus if gpu.uuid]
    return each_gpu(seen, lambda gpu: [_judge(gpu, profile, twice=uuids.count(gpu.uuid) > 1)])


def _judge(gpu: Gpu, profile: ResolvedProfile, *, twice: bool) -> Outcome:
    evidence = shown(gpu, "name", "uuid", "address", "compute_capability", "vbios")
    if not gpu.name or not gpu.uuid:
        return unknown(f"{gpu.label} does not tell its {'UUID' if gpu.name else 'name'}.", subject=gpu.subject,
                       evidence=evidence)
    if twice:
        return warned(f"{gpu.label} has the UUID of another GPU: {gpu.uuid}.", subject=gpu.address, seen=gpu.uuid,
                      expected="a UUID of its own", evidence=evidence)
    wanted = profile.profile.match.gpu
    if wanted and not any(re.search(regex, gpu.name, re.IGNORECASE) for regex in wanted):
        return warned(f"{gpu.label} is no card that profile {profile.profile.name} is made for.", subject=gpu.subject,
                      seen=gpu.name, expected=" or ".join(wanted), evidence=evidence)
    capability = gpu.numbers("compute_capability", 2)
    told = f", compute capability {capability[0]}.{capability[1]}" if isinstance(capability, tuple) else ""
    return passed(f"{gpu.label}{told}.", subject=gpu.subject, seen=gpu.name, evidence=evidence)


CHECK = Check(
    title="GPU identity",
    why="Values of a profile are made for certain cards; on another one they may be wrong.",
    observe=observe,
    judge=judge,
    remedy=Remedy(steps=("See which profile fits and why: firstlight detect.",
                         "Choose it, or make one: firstlight profile init.")),
)
