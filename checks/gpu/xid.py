"""Errors of the cards in the kernel log (Xid), weighed by NVIDIA's catalogue."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, failed, not_applicable, passed, warned
from agent.machine.pci import observe_gpus
from agent.machine.systemd import find_container
from agent.machine.xid import XidEvent, observe_xids
from agent.matrix.xids import XidAdvice, find_advice
from agent.model.finding import Evidence, Remedy
from checks.gpu import NO_GPU

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.hardware import PciGpu
    from agent.model.resolved import ResolvedProfile

BURST_S = 60.0
PLUGIN = "NVIDIA's Kubernetes plugin"
RECOVERY = 154  # its text ends with what is to be done, in brackets
CLEARED = re.compile(r"to 0x0+\b|\(None\)\s*$")  # when the recovery is done
ASKED = re.compile(r"\(([^()]+)\)\s*$")


class Seen(NamedTuple):
    """The events since `since_s` (seconds since the epoch) and the cards they may belong to."""

    cards: tuple[PciGpu, ...]
    container: str = ""
    source: str = ""
    since_s: float = 0.0
    events: tuple[XidEvent, ...] = ()


def observe(machine: Machine, profile: ResolvedProfile) -> Seen:
    """Read the kernel's buffer where there is a card."""
    cards = observe_gpus(machine)
    container = find_container(machine) if cards else ""
    if not cards or container:
        return Seen(cards, container)
    return Seen(cards, container, *observe_xids(machine))


def judge(seen: Seen, profile: ResolvedProfile) -> list[Outcome]:
    """One outcome per card and Xid that is the card's; those of programs are one pass."""
    if not seen.cards:
        return [not_applicable(NO_GPU)]
    if seen.container:
        return [not_applicable(f"The kernel log belongs to the host of this {seen.container} container.")]
    groups: dict[tuple[str, int, bool], list[XidEvent]] = {}
    for event in seen.events:
        groups.setdefault((event.address, event.code, event.switch), []).append(event)
    judged = [(key, _judge_group(seen, events)) for key, events in groups.items()]
    bad = [outcome for _, outcome in judged if outcome is not None]
    if bad:
        return bad
    since = f"{_when(seen.since_s)} ({seen.source})"
    if not seen.events:
        return [passed(f"No Xid in the kernel log since {since}.", seen="none", evidence=[Evidence(seen.source)])]
    codes = ", ".join(f"{code} ({_times(groups[key])})" for key in groups for code in [key[1]])
    return [passed(f"Only Xids of programs or for information since {since}: {codes}. None is a fault of a card.",
                   seen=codes, evidence=[Evidence(seen.source, tuple(event.text for event in seen.events[-5:]))])]


def _judge_group(seen: Seen, events: list[XidEvent]) -> Outcome | None:
    """Return what one Xid on one card means; None when it is no fault of the card."""
    last, card = events[-1], _card(seen.cards, events[-1].address)
    evidence = [Evidence(seen.source, tuple(event.text for event in events[-5:]))]
    context = f"{_times(events)}, last at {_when(last.time_s)}{_by(events)}"
    if last.switch:
        grave = "Non-fatal" not in last.text
        return (failed if grave else warned)(
            f"NVSwitch {last.address} reports SXid {last.code}: {context}.", subject=f"{last.address} SXid {last.code}",
            seen=last.detail, expected="none", evidence=evidence, remedy=SWITCH)
    advice = find_advice(last.code)
    if last.code == RECOVERY and CLEARED.search(last.text):
        return None
    if advice is not None and advice.severity in ("none", "application") and not _doubtful(advice):
        return None
    what = advice.what if advice else "a code our tables do not know"
    if last.code == RECOVERY and (asked := ASKED.search(last.text)):
        what = f"{what}: {asked[1]}"
    say = failed if advice and advice.severity == "serious" else warned
    doubt = " The sources differ on it." if advice and advice.disagree else ""
    return say(f"{card}: Xid {last.code} ({what}), {context}.{doubt}", subject=f"{last.address} Xid {last.code}",
               seen=last.detail, expected="none", evidence=[*evidence, *_opinions(advice)], remedy=_remedy(advice))


def _doubtful(advice: XidAdvice) -> bool:
    """Return whether another source takes a mild Xid for a fault, and NVIDIA's own plugin does not."""
    return advice.disagree and all(who != PLUGIN for who, _ in advice.others)


def _opinions(advice: XidAdvice | None) -> list[Evidence]:
    if advice is None:
        return []
    told = ((("NVIDIA's catalogue", advice.nvidia),) if advice.nvidia else ()) + advice.others
    return [Evidence("what the sources say", tuple(f"{who}: {says}" for who, says in told))]


def _remedy(advice: XidAdvice | None) -> Remedy:
    if advice is None:
        return Remedy(steps=("Look it up in NVIDIA's Xid catalogue.",))
    steps = [f"NVIDIA's catalogue: {advice.nvidia}."] if advice.nvidia else []
    if advice.disagree or not steps:
        steps += [f"{who}: {says}." for who, says in advice.others]
    return Remedy(steps=(*steps, f"More: firstlight explain 'xid {advice.code}'"))


def _card(cards: tuple[PciGpu, ...], address: str) -> str:
    named = next((card.name for card in cards if card.address.startswith(address)), "")
    return f"{named} at {address}" if named else f"A card at {address} that is not on the bus"


def _times(events: list[XidEvent]) -> str:
    if len(events) == 1:
        return "once"
    span_s = events[-1].time_s - events[0].time_s
    return f"{len(events)} times" + (f" within {max(1, round(span_s))} s" if span_s <= BURST_S else "")


def _by(events: list[XidEvent]) -> str:
    names = dict.fromkeys(f"{event.process} (pid {event.pid})" if event.pid else event.process
                          for event in events if event.process)
    pieces = dict.fromkeys(event.piece for event in events if event.piece)
    return (f", in {', '.join(list(names)[-3:])}" if names else "") + (
        f", slice {', '.join(pieces)}" if pieces else "")


def _when(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


SWITCH = Remedy(steps=("Read the lines around it: journalctl -k | grep -E 'SXid|Xid'",
                       "Restart the fabric manager with no job running: systemctl restart nvidia-fabricmanager",
                       "If it comes back: reboot, then have the tray inspected."))

CHECK = Check(
    title="GPU errors in the kernel log",
    why="The driver writes every error of a card as a Xid into the kernel log; some mean a dying card, others only a "
        "faulty program.",
    observe=observe,
    judge=judge,
    remedy=Remedy(steps=("Read the lines around it: journalctl -k | grep -C5 Xid",)),
)
