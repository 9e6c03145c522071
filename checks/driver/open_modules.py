"""The kernel modules are of the flavour the card takes, and of the one the profile wants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.check import Check, Outcome, failed, passed, unknown
from agent.model.finding import Remedy
from checks.driver import Site, find_card, observe_site, parts, repair, without_driver

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile

TAKES = {"required": "open", "unsupported": "proprietary"}
OTHER = {"open": "proprietary", "proprietary": "open"}


def observe(machine: Machine, profile: ResolvedProfile) -> Site:
    """Look at the driver."""
    return observe_site(machine)


def judge(seen: Site, profile: ResolvedProfile) -> list[Outcome]:
    """What the card takes comes before what the profile wants."""
    gone = without_driver(seen)
    if gone or seen.driver is None:
        return gone
    on_disk = seen.driver.running or seen.driver.next
    flavour, evidence = seen.driver.flavour or (on_disk.flavour if on_disk else ""), parts(seen.driver)
    if not flavour:
        return [unknown("Neither the loaded driver nor its file tells whether it is open or proprietary.",
                        evidence=evidence)]
    subjects = dict.fromkeys(find_card(card) for card in seen.cards)
    for card in subjects:
        if TAKES.get(card.modules) == OTHER[flavour]:
            return [failed(f"{card.name} takes only the {OTHER[flavour]} kernel modules; the {flavour} ones are "
                           "installed.", seen=flavour, expected=OTHER[flavour], evidence=evidence,
                           remedy=repair(profile, f"Install the {OTHER[flavour]} kernel modules, then reboot."))]
    wanted = profile.profile.gpu.driver.flavour
    if wanted not in ("auto", flavour):
        return [failed(f"The {flavour} kernel modules are installed; the profile wants the {wanted} ones.",
                       seen=flavour, expected=wanted, evidence=evidence,
                       remedy=repair(profile, f"Install the {wanted} kernel modules, then reboot."))]
    strange = [card.name for card in subjects if not card.rows or card.modules == "depends"]
    if strange:
        return [unknown(f"Our tables do not say which kernel modules {strange[0]} takes; the {flavour} ones are "
                        "installed.", evidence=evidence)]
    return [passed(f"The {flavour} kernel modules are installed, and the card takes them.", seen=flavour,
                   expected="" if wanted == "auto" else wanted, evidence=evidence)]


CHECK = Check(
    title="Open kernel modules",
    why="Blackwell and Grace Hopper cards run with the open kernel modules only, cards before Turing with the "
        "proprietary ones only; the wrong ones load and show no GPU.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="driver"),
)
