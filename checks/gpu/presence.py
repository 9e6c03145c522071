"""Every GPU on the PCI bus is one that NVML shows, and the other way round."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, failed, not_applicable, passed, unknown
from agent.machine.gpu import observe_cards
from agent.machine.pci import GIVEN_AWAY, bound_driver
from agent.model.errors import Unobservable
from agent.model.finding import Evidence, Remedy
from checks.gpu import NO_GPU

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.machine.gpu import Cards
    from agent.model.hardware import PciGpu
    from agent.model.resolved import ResolvedProfile


class Seen(NamedTuple):
    """The cards, and by address the kernel driver of those that NVML does not show (empty: none; None: not known)."""

    cards: Cards
    drivers: dict[str, str | None]


def observe(machine: Machine, profile: ResolvedProfile) -> Seen:
    """Look at both views, and at who holds the cards that are in one of them only."""
    cards = observe_cards(machine)
    return Seen(cards, {card.address: _bound(machine, card.address) for card in _missing(cards)})


def _bound(machine: Machine, address: str) -> str | None:
    try:
        return bound_driver(machine, address)
    except Unobservable:
        return None


def _missing(cards: Cards) -> list[PciGpu]:
    told = {gpu.address for gpu in cards.view.gpus} if cards.view else set()
    return [card for card in cards.pci if card.address not in told]


def judge(seen: Seen, profile: ResolvedProfile) -> list[Outcome]:
    """Compare addresses; a card that only the bus shows has died without a word, or belongs to somebody else."""
    cards, view = seen.cards, seen.cards.view
    if view is None or (not cards.pci and not view.gpus):
        return [not_applicable(NO_GPU)]
    if view.failure or view.hung_in or view.died_in:
        silence = view.failure or f"no answer from {view.hung_in or view.died_in}"
        return [unknown(f"{len(cards.pci)} on the PCI bus; NVML cannot be asked: {silence}. See gpu.responds.")]
    if not cards.pci:
        return [not_applicable(f"{', '.join(gpu.name for gpu in view.gpus)}: not a PCI device, so there is no second "
                               "view to compare with.")]
    missing, silent = _missing(cards), sum(1 for gpu in view.gpus if not gpu.address)
    evidence = [Evidence("/sys/bus/pci/devices", tuple(f"{card.address} {card.name}" for card in cards.pci)),
                Evidence("NVML", tuple(f"{gpu.address} {gpu.name}" for gpu in view.gpus))]
    if silent and len(missing) <= silent:
        return [unknown(f"{silent} of {len(view.gpus)} GPUs do not tell their address. See gpu.responds.",
                        evidence=evidence)]
    if missing:
        return [_judge_missing(card, seen.drivers.get(card.address), evidence) for card in missing]
    return [passed(f"NVML shows all {len(cards.pci)} GPUs of the PCI bus." if len(cards.pci) > 1 else
                   "NVML shows the GPU of the PCI bus.", seen=str(len(view.gpus)), expected=str(len(cards.pci)),
                   evidence=evidence)]


def _judge_missing(card: PciGpu, driver: str | None, evidence: list[Evidence]) -> Outcome:
    name = f"{card.name} at {card.address}"
    if driver in GIVEN_AWAY:
        return not_applicable(f"{name} is held for a virtual machine by {driver}.", subject=card.address)
    cause = ("the driver gave it up" if driver == "nvidia" else f"{driver} holds it" if driver else
             "no driver holds it" if driver == "" else "the driver gave it up, or never took it")
    return failed(f"{name} is on the PCI bus, but NVML does not show it: {cause}.", subject=card.address,
                  seen="absent from NVML", expected="shown by NVML", evidence=evidence,
                  remedy=BLOCK if driver == "nouveau" else None)


BLOCK = Remedy(steps=("Block nouveau and rebuild the initramfs (role driver), then reboot.",))
CHECK = Check(
    title="GPUs on the bus and in the driver",
    why="A GPU that died can vanish from nvidia-smi without any error; only the PCI bus still knows it.",
    observe=observe,
    judge=judge,
    remedy=Remedy(steps=("Look for its last words: journalctl -k | grep -E 'NVRM|Xid|fallen off the bus'.",
                         "Shut down, take the power away for a minute, start again.",
                         "If it stays away: reseat the card and its power cables, then return it.")),
)
