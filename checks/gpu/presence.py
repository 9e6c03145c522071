"""Every GPU on the PCI bus is one that NVML shows, and the other way round."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.check import Check, Outcome, failed, not_applicable, passed, unknown
from agent.model.finding import Evidence, Remedy
from checks.gpu import NO_GPU, observe

if TYPE_CHECKING:
    from agent.machine.gpu import Cards
    from agent.model.profile import ResolvedProfile


STEPS = ("Look for its last words: journalctl -k | grep -E 'NVRM|Xid|fallen off the bus'.",
         "Shut down, take the power away for a minute, start again.",
         "If it stays away: reseat the card and its power cables, then return it.")


def judge(seen: Cards, profile: ResolvedProfile) -> list[Outcome]:
    """Compare addresses; a card that only the bus shows has died without a word."""
    view = seen.view
    if view is None or (not seen.pci and not view.gpus):
        return [not_applicable(NO_GPU)]
    if view.failure or view.hung_in or view.died_in:
        silence = view.failure or f"no answer from {view.hung_in or view.died_in}"
        return [unknown(f"{len(seen.pci)} on the PCI bus; NVML cannot be asked: {silence}. See gpu.responds.")]
    if not seen.pci:
        return [not_applicable(f"{', '.join(gpu.name for gpu in view.gpus)}: not a PCI device, so there is no second "
                               "view to compare with.")]
    told = {gpu.address: gpu for gpu in view.gpus if gpu.address}
    silent = sum(1 for gpu in view.gpus if not gpu.address)
    missing = [card for card in seen.pci if card.address not in told]
    evidence = [Evidence("/sys/bus/pci/devices", tuple(f"{card.address} {card.name}" for card in seen.pci)),
                Evidence("NVML", tuple(f"{gpu.address} {gpu.name}" for gpu in view.gpus))]
    if silent and len(missing) <= silent:
        return [unknown(f"{silent} of {len(view.gpus)} GPUs do not tell their address. See gpu.responds.",
                        evidence=evidence)]
    if missing:
        return [failed(f"{card.name} at {card.address} is on the PCI bus, but NVML does not show it: the driver gave "
                       "it up.", subject=card.address, seen="absent from NVML", expected="shown by NVML",
                       evidence=evidence) for card in missing]
    return [passed(f"NVML shows all {len(seen.pci)} GPUs of the PCI bus." if len(seen.pci) > 1 else
                   "NVML shows the GPU of the PCI bus.", seen=str(len(told)), expected=str(len(seen.pci)),
                   evidence=evidence)]


CHECK = Check(
    title="GPUs on the bus and in the driver",
    why="A GPU that died can vanish from nvidia-smi without any error; only the PCI bus still knows it.",
    observe=observe,
    judge=judge,
    remedy=Remedy(steps=STEPS),
)
