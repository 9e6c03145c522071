"""A fleet as text: what is wrong first, then one line a machine."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from agent.model.drift import time_text
from agent.report.visible import shortened, visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SHOWN_MACHINES, SHOWN_FACTS, WIDTH = 6, 12, 120


def render_table(rows: Sequence[tuple[str, str, str]]) -> str:
    """Return one line a machine: name, state, what it says. The states that are not `ok` come first."""
    width = max((len(name) for name, _, _ in rows), default=0)
    states = max((len(state) for _, state, _ in rows), default=0)
    ordered = sorted(rows, key=lambda row: row[1] == "ok")
    counted = Counter(state for _, state, _ in rows)
    tally = ", ".join(f"{count} {state}" for state, count in counted.most_common())
    lines = [
        f"{visible(name):{width}}  {state:{states}}  {shortened(said, WIDTH)}".rstrip()
        for name, state, said in ordered
    ]
    return "\n".join([*lines, "", f"{len(rows)} machines: {tally or 'none'}"]) + "\n"


def render_cohorts(cohorts: Sequence[Mapping[str, Any]]) -> str:
    """Return the cohorts, the odd ones out first, each with the facts it differs in."""
    lines: list[str] = []
    for cohort in cohorts:
        lines.append(
            f"profile {cohort['profile']} on {cohort['system']}: {cohort['machines']} machines, "
            f"{_alike(cohort)}"
        )
        for odd in cohort["odd"]:
            lines += _odd(odd)
        lines.append("")
    return "\n".join(lines) + "\n" if lines else ""


def _alike(cohort: Mapping[str, Any]) -> str:
    if cohort["machines"] == 1:
        return "nothing to compare with"
    return "all alike" if not cohort["odd"] else f"{cohort['alike']} as the majority"


def _odd(odd: Mapping[str, Any]) -> Iterator[str]:
    names = [visible(name) for name in odd["machines"]]
    more = f" and {len(names) - SHOWN_MACHINES} more" if len(names) > SHOWN_MACHINES else ""
    yield f"  {', '.join(names[:SHOWN_MACHINES])}{more}"
    told = {(drift["area"], drift["key"]): drift for drift in odd["own"]}
    for item in odd["differences"][:SHOWN_FACTS]:
        yield f"      {visible(item['area'])} {visible(item['key'])}"
        yield f"          majority {_side(item['before'])}; here {_side(item['after'])}"
        if own := told.get((item["area"], item["key"])):
            yield f"          {origin_words(own)}"
    if (left := len(odd["differences"]) - SHOWN_FACTS) > 0:
        yield f"      and {left} more"


def render_own(host: str, drifts: Sequence[Mapping[str, Any]]) -> str:
    """Return the drifts a machine has by its own past and profile."""
    lines = [f"{visible(host)}: {len(drifts)} {'drift' if len(drifts) == 1 else 'drifts'} of its own"]
    for drift in drifts[:SHOWN_FACTS]:
        name = drift["key"] if drift["area"] == "check" else f"{drift['area']} {drift['key']}"
        lines.append(f"  {visible(name)} (against the {drift['against']})")
        first, second = ("expected", "found") if drift["against"] == "profile" else ("was", "is")
        lines.append(f"      {first} {_side(drift['before'])}; {second} {_side(drift['after'])}")
        lines.append(f"      {origin_words(drift)}")
    if (left := len(drifts) - SHOWN_FACTS) > 0:
        lines.append(f"  and {left} more")
    return "\n".join(lines) + "\n"


def origin_words(drift: Mapping[str, Any]) -> str:
    """Return when a drift came about and by what, as far as its JSON object tells."""
    by = f", by {shortened(str(drift['cause']), WIDTH)}" if drift.get("cause") else ""
    if drift.get("changed") is not None:
        return f"changed {time_text(drift['changed'])}{by}"
    return (
        f"changed after {time_text(drift['earliest'])}{by}" if drift.get("earliest") else f"no time known{by}"
    )


def _side(value: str) -> str:
    return shortened(value, WIDTH) if value else "absent"
