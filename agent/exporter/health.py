"""What /healthz says: whether the exporter can do its work. A sick card is told, but is not the exporter's illness."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.exporter.facts import Facts
    from agent.exporter.sampler import Sampler


@dataclass(frozen=True, slots=True)
class Health:
    """`well` decides between 200 and 503; `lines` say why, one part each."""

    well: bool
    lines: tuple[str, ...]


def judge_health(facts: Facts | None, sampler: Sampler) -> Health:
    """Return the exporter's health. No report at all is ill: there is nothing to page on."""
    history = _history(facts)
    sampling = _sampling(sampler)
    lines = (f"history: {history or _newest(facts)}", f"sampler: {sampling or _cards(sampler)}")
    well = not history and not sampling
    return Health(well, ("ok" if well else "not well", *lines))


def _history(facts: Facts | None) -> str:
    if facts is None:
        return "not looked at yet"
    if facts.problem:
        return facts.problem
    return "" if facts.reports else "holds no report of this machine; make one with: firstlight check"


def _newest(facts: Facts | None) -> str:
    newest = max(report.finished for report in facts.reports.values()) if facts is not None else 0.0
    return f"ok, newest report {max(0.0, time.time() - newest):.0f} s old"


def _sampling(sampler: Sampler) -> str:
    if sampler.is_stale():
        return "no sample in time: the thread ended, or NVML hangs and is asked less often"
    return "" if sampler.last is not None else "no sample yet"


def _cards(sampler: Sampler) -> str:
    last = sampler.last
    if last is None:
        return ""
    view = last.seen.view if last.seen is not None else None
    trouble = last.failure
    if view is not None:
        trouble = view.failure or (f"NVML did not return from {view.hung_in}" if view.hung_in else "") or (
            f"NVML crashed in {view.died_in}" if view.died_in else "")
    states = ", ".join(f"{card.uuid} {card.state}" for card in last.cards if card.state != "answering")
    told = "; ".join(part for part in (trouble, states) if part)
    return f"ok, {sum(card.state == 'answering' for card in last.cards)} cards answer" + (f"; {told}" if told else "")
