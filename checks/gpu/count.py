"""As many GPUs as the profile expects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.check import Check, Outcome, failed, not_applicable, passed
from agent.model.finding import Evidence, Remedy
from checks.gpu import NO_GPU, observe

if TYPE_CHECKING:
    from agent.machine.gpu import Cards
    from agent.model.resolved import ResolvedProfile



def judge(seen: Cards, profile: ResolvedProfile) -> list[Outcome]:
    """Count what the PCI bus shows (NVML where the GPU is no PCI device) against the profile's `match`."""
    match = profile.profile.match
    count = len(seen.pci) or (len(seen.view.gpus) if seen.view else 0)
    wanted = _range(match.min_gpus, match.max_gpus)
    if not count and not match.min_gpus:
        return [not_applicable(NO_GPU)]
    evidence = [Evidence("/sys/bus/pci/devices", tuple(f"{card.address} {card.name}" for card in seen.pci))]
    if count < match.min_gpus or (match.max_gpus is not None and count > match.max_gpus):
        return [failed(f"{count or 'No'} NVIDIA GPU{'s' if count > 1 else ''} on the PCI bus; profile "
                       f"{profile.profile.name} expects {wanted}.", seen=str(count), expected=wanted,
                       evidence=evidence)]
    return [passed(f"{count} GPU{'s' if count > 1 else ''}; profile {profile.profile.name} expects {wanted}.",
                   seen=str(count), expected=wanted, evidence=evidence)]


def _range(low: int, high: int | None) -> str:
    if high is None:
        return f"{low} or more" if low else "any number"
    return str(low) if low == high else f"{low} to {high}"


CHECK = Check(
    title="Number of GPUs",
    why="A job that expects eight GPUs and finds seven fails late, or runs wrongly.",
    observe=observe,
    judge=judge,
    remedy=Remedy(steps=("Compare with what was bought and fitted.",
                         "If a card is missing: shut down, reseat it and its power cables.",
                         "If the number is right, say so in /etc/firstlight/profile.yml (match.min_gpus, max_gpus).")),
)
