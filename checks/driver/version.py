"""This very version drives these cards, and has no fault that is known on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.check import Check, Outcome, failed, passed, unknown
from agent.matrix.rules import DriverChoice, driver_drives
from agent.matrix.tables import Matrix
from agent.matrix.verdicts import Answer
from agent.matrix.version import order
from agent.model.finding import Evidence, Remedy
from checks.driver import Site, find_card, installed_version, observe_site, repair, without_driver

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.matrix.subject import Subject
    from agent.model.resolved import ResolvedProfile


def observe(machine: Machine, profile: ResolvedProfile) -> Site:
    """Look at the driver."""
    return observe_site(machine)


def judge(seen: Site, profile: ResolvedProfile) -> list[Outcome]:
    """One outcome per kind of card."""
    gone = without_driver(seen)
    if gone or seen.driver is None:
        return gone
    version, matrix = installed_version(seen.driver), Matrix()
    branch = int(version.partition(".")[0])
    choice = DriverChoice(branch, matrix.find_driver(branch), version)
    subjects = {card.device_id: find_card(card) for card in seen.cards}
    return [_judge_card(choice, subject, profile) for subject in dict.fromkeys(subjects.values())]


def _judge_card(choice: DriverChoice, card: Subject, profile: ResolvedProfile) -> Outcome:
    if not card.rows:
        return unknown(f"Our tables do not know {card.name}, so driver {choice.exact} cannot be judged.",
                       subject=card.name)
    faults = [fault.what for fault in choice.row.known_faults if fault.capability == card.capability
              and order(fault.version) == order(choice.exact)] if choice.row else []
    if faults:
        return failed(f"Driver {choice.exact} has a fault that is reported on {card.name}: {'; '.join(faults)}.",
                      subject=card.name, seen=choice.exact, expected="another version of a supported branch",
                      evidence=[Evidence("matrix", choice.rows)],
                      remedy=repair(profile, "Install another version of the driver, then reboot."))
    verdict = driver_drives(choice, card, Matrix())
    evidence = [Evidence("matrix", verdict.rows)]
    if verdict.answer is Answer.NO:
        return failed(f"Driver {choice.exact} does not drive {card.name}: {verdict.says}.", subject=card.name,
                      seen=choice.exact, expected=card.driver_sure, evidence=evidence,
                      remedy=repair(profile, "Install a branch that drives this card: firstlight matrix solve."))
    if verdict.answer is Answer.UNKNOWN:
        return unknown(f"Driver {choice.exact} and {card.name}: {verdict.says.removeprefix('unknown: ')}.",
                       subject=card.name, evidence=evidence)
    return passed(f"Driver {choice.exact} drives {card.name}.", subject=card.name, seen=choice.exact,
                  expected=f"{card.driver_sure} or newer", evidence=evidence)


CHECK = Check(
    title="Driver version and card",
    why="A driver that is too old for a card, or too new for an old one, does not show it at all; some versions "
        "are known to lose memory or crash on one kind of card.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="driver"),
)
