"""Explains a Xid or a pasted error text: cause, evidence to look for, what to do, and who says so."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.matrix.tables import load_table
from agent.matrix.xids import XidAdvice, find_advice, find_codes

if TYPE_CHECKING:
    from agent.matrix.rows import Symptom

_SHORT_WORDS = re.compile(r"xid[\s:#=]*\d+", re.IGNORECASE)


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


def explain_text(text: str) -> tuple[Explanation, ...]:
    """Return what is known of a text, Xids first; empty when no row knows it."""
    found = [_of_xid(code) for code in find_codes(text)]
    if not _SHORT_WORDS.fullmatch(text.strip()):
        told = {row for explanation in found for row in explanation.rows}
        found += [
            _of_symptom(row)
            for row in _symptoms()
            if not told & set(row.rows) and _pattern(row.pattern).search(text)
        ]
    return tuple(found)


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
        cause=f"The driver reports {advice.name}. {_SEVERITY[advice.severity]}",
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
}


def _steps(advice: XidAdvice) -> tuple[str, ...]:
    steps = []
    if advice.nvidia:
        steps.append(f"{advice.nvidia[0].upper()}{advice.nvidia[1:]}.")
    elif advice.others:
        steps.append(f"{advice.others[0][0]} says: {advice.others[0][1]}.")
    if advice.severity == "serious":
        steps.append("If it is there again after two reboots: inspect the hardware, then return the card.")
    return tuple(steps)
