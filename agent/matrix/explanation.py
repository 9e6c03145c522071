"""Explains a Xid or a pasted error text: cause, evidence to look for, what to do, and who says so."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.matrix.tables import load_table
from agent.matrix.xids import (
    IN_LOG,
    SWITCH_IN_LOG,
    XidAdvice,
    find_advice,
    find_codes,
    find_switch_codes,
    find_switch_row,
    gpud_words,
)

if TYPE_CHECKING:
    from agent.matrix.symptom_rows import Symptom

_SHORT_WORDS = re.compile(r"s?xid[\s:#=]*\d+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Explanation:
    """One explanation. `opinions`: who says what, where several sources speak; `disagree` when they differ."""

    title: str
    cause: str
    look: tuple[str, ...]
    steps: tuple[str, ...]
    source: tuple[str, ...]
    date: str
    opinions: tuple[tuple[str, str], ...] = ()
    disagree: bool = False
    rows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sighting:
    """An explanation of a log, with the number and text of its first line, and how many times it was seen."""

    explanation: Explanation
    line: int
    text: str
    times: int


def explain_text(text: str) -> tuple[Explanation, ...]:
    """Return what is known of a text, Xids first; empty when no row knows it. Line breaks may fall anywhere."""
    found = [_of_xid(code) for code in find_codes(text)]
    found += [_of_switch(code) for code in find_switch_codes(text)]
    if not _SHORT_WORDS.fullmatch(text.strip()):
        told = {row for explanation in found for row in explanation.rows}
        plain = " ".join(text.split())
        found += [
            _of_symptom(row)
            for row in _symptoms()
            if not told & set(row.rows) and (_pattern(row.pattern).search(text) or _pattern(row.pattern).search(plain))
        ]
    return tuple(found)


def explain_log(text: str) -> tuple[Sighting, ...]:
    """Return what is known of the lines of a log, in the order in which they first appear; empty when nothing is."""
    ordered = sorted(_seen(text).items(), key=lambda item: item[1])
    return tuple(_sighting(text, explanation, start, times) for explanation, (start, times) in ordered)


def find_cause(text: str) -> Sighting | None:
    """Return what best explains a log, Xids first, then by the order of the rows; None when no row knows a line."""
    first = next(iter(_seen(text).items()), None)
    return _sighting(text, first[0], *first[1]) if first else None


def _seen(text: str) -> dict[Explanation, tuple[int, int]]:
    """Return what is known of a log, the weightiest first, with where it first appears and in how many places."""
    seen: dict[Explanation, tuple[int, int]] = {}
    for pattern, explain in ((IN_LOG, _of_xid), (SWITCH_IN_LOG, _of_switch)):
        for found in pattern.finditer(text):
            explanation = explain(int(found[1]))
            start, times = seen.get(explanation, (found.start(), 0))
            seen[explanation] = start, times + 1
    told = {row for explanation in seen for row in explanation.rows}
    for row in _symptoms():
        lines = {text.rfind("\n", 0, found.start()) + 1: None for found in _pattern(row.pattern).finditer(text)}
        if lines and not told & set(row.rows):
            seen[_of_symptom(row)] = next(iter(lines)), len(lines)
    return seen


def _sighting(text: str, explanation: Explanation, start: int, times: int) -> Sighting:
    begin, end = text.rfind("\n", 0, start) + 1, text.find("\n", start)
    line = text[begin:] if end < 0 else text[begin:end]
    return Sighting(explanation, text.count("\n", 0, start) + 1, line.strip(), times)


def source_words(source: str) -> str:
    """Return a source as a reader can find it: a thread as it is, an id with what it stands for."""
    row = next((row for row in load_table("sources") if row.id == source), None)
    return str(row.what) if row else source


def to_document(explanation: Explanation) -> dict[str, Any]:
    """Return an explanation as plain data for JSON."""
    return {
        "title": explanation.title,
        "cause": explanation.cause,
        "look": list(explanation.look),
        "steps": list(explanation.steps),
        "opinions": [{"who": who, "says": says} for who, says in explanation.opinions],
        "disagree": explanation.disagree,
        "source": list(explanation.source),
        "date": explanation.date,
        "rows": list(explanation.rows),
    }


def _symptoms() -> tuple[Symptom, ...]:
    return load_table("symptoms")


@functools.cache
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _of_symptom(row: Symptom) -> Explanation:
    name = row.id.removeprefix("symptom.").replace("-", " ")
    return Explanation(
        name.capitalize(), row.cause, row.look, row.remedy, row.source, row.date, rows=(row.id, *row.rows)
    )


def _of_switch(code: int) -> Explanation:
    row = find_switch_row(code)
    log, links = "the lines around it: journalctl -k | grep -C5 SXid", "nvidia-smi nvlink -s"
    look = (log, links, "journalctl -u nvidia-fabricmanager")
    if row is None:
        steps = ("NVIDIA's Fabric Manager user guide lists the SXids.",)
        return Explanation(f"SXid {code}", "unknown: no row describes it", look, steps, ("FM-UG",), "")
    opinions = ((("NVIDIA's guide", row.recovery),) if row.recovery else ()) + (
        (("gpud", gpud_words(row.gpud_event, row.gpud_actions)),) if row.gpud_event else ()
    )
    return Explanation(
        title=f"SXid {code}: {row.name}",
        cause=f"An NVSwitch reports an error that is {row.kind.replace('-', ' ')}. {row.impact}".strip(),
        look=look,
        steps=(row.recovery,) if row.recovery else (),
        source=row.source,
        date=row.date,
        opinions=opinions,
        disagree=(row.kind == "non-fatal") == (row.gpud_event == "Fatal"),
        rows=(row.id,),
    )


def _of_xid(code: int) -> Explanation:
    advice = find_advice(code)
    if advice is None:
        look = ("the kernel log around it: journalctl -k | grep -C5 Xid",)
        says = "unknown: no row describes it"
        return Explanation(
            f"Xid {code}", says, look, ("NVIDIA's Xid catalogue may know it.",), ("XID-CATALOG",), ""
        )
    opinions = (*((("NVIDIA's catalogue", advice.nvidia),) if advice.nvidia else ()), *advice.others)
    return Explanation(
        title=f"Xid {code}: {advice.what}",
        cause=f"The driver reports {advice.name}. {_SEVERITY['disputed' if advice.disagree else advice.severity]}",
        look=(*advice.look, "the lines around it: journalctl -k | grep -C5 'Xid'", _RECOVERY),
        steps=_steps(advice),
        source=advice.source,
        date=advice.date,
        opinions=opinions,
        disagree=advice.disagree,
        rows=(advice.row,),
    )


_RECOVERY = "nvidia-smi -q | grep -A1 'GPU Recovery Action' (newer drivers name what to do)"
_SEVERITY = {
    "none": "By itself it needs nothing.",
    "application": "The application is hit; the card stays usable.",
    "serious": "The card or the machine needs attention before the next job.",
    "unknown": "How serious it is, no source says.",
    "disputed": "How serious it is, the sources do not agree.",
}


def _steps(advice: XidAdvice) -> tuple[str, ...]:
    steps = []
    if advice.nvidia:
        steps.append(f"{advice.nvidia[0].upper()}{advice.nvidia[1:]}.")
    elif advice.others:
        steps.append(f"{advice.others[0][0]} says: {advice.others[0][1]}.")
    if advice.disagree and advice.nvidia and advice.others:
        steps.append("If that does not end it, go by the other source.")
    if advice.severity == "serious":
        steps.append("If it is there again after two reboots: inspect the hardware, then return the card.")
    return tuple(steps)
