"""What a job said, and what that means: its JSON document, its criteria, and a log that explains a failure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from agent.check import Outcome, failed, not_applicable, unknown
from agent.matrix.explanation import find_cause
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.smoke.execution import Bounds, Ended

LOG_LINES, LINE_LENGTH = 8, 200
MISSING = {"no-torch": "torch", "no-vllm": "vLLM"}
NOT_HERE = 127  # the shell's and execve's "no such program"


def find_document(out: str) -> dict[str, Any] | None:
    """Return the job's JSON object: the last line that is one; images print banners before it. None without one."""
    for line in reversed(out.splitlines()):
        if line.startswith("{"):
            try:
                found = json.loads(line)
            except ValueError:
                continue
            if isinstance(found, dict) and "job" in found:
                return found
    return None


def judge_broken(ended: Ended, bounds: Bounds, document: dict[str, Any] | None, subject: str,
                 what: str) -> Outcome | None:
    """Return the outcome of a job that could not do its work, with the cause its log shows; None when it could."""
    error = (document or {}).get("error")
    if ended.how == "exit" and document is not None and not error:
        return None
    log = "\n".join(text for text in (ended.err, "" if document else ended.out, (error or {}).get("text", "")) if text)
    evidence = [Evidence(what, lines)] if (lines := last_lines(log)) else []
    if error and (missing := MISSING.get(error.get("kind", ""))):
        return unknown(f"the interpreter has no {missing}.", subject=subject, evidence=evidence, remedy=Remedy(
            steps=(f"Name one that has: --python PATH, or use an image that has {missing}.",)))
    if error and error.get("kind") == "no-library":
        return not_applicable(f"what this job needs beyond torch is not there: {error.get('text', '')}")
    if ended.how in ("stopped", "not-started"):
        return unknown(f"The job {ended.words(bounds)}.", subject=subject, evidence=evidence)
    if (cause := find_cause(log)) is not None:
        explained, line = cause.explanation, cause.text[:LINE_LENGTH]
        if line not in lines:
            evidence = [Evidence(what, (line, *lines))]
        return failed(f"The job failed: {explained.title}. {explained.cause}", subject=subject, evidence=evidence,
                      remedy=Remedy(steps=explained.steps))
    if ended.how == "exit" and ended.code == NOT_HERE:
        return unknown("The job's program is not there.", subject=subject, evidence=evidence)
    say = "gave no result" if ended.how == "exit" and ended.code == 0 else ended.words(bounds)
    reason = f": {error['text'].splitlines()[0][:LINE_LENGTH]}" if error and error.get("text") else ""
    return failed(f"The job {say}{reason}.", subject=subject, evidence=evidence)


def judge_criteria(document: dict[str, Any], subject: str, what: str) -> Outcome | None:
    """Return the failure of a job whose criteria do not all hold; None when they do."""
    rows = document.get("checks")
    if not isinstance(rows, list) or not rows:
        return failed("The job judged nothing, so it proves nothing.", subject=subject)
    bad = [row for row in rows if row.get("ok") is not True]
    if not bad:
        return None
    lines = tuple(f"{row.get('id')}: seen {row.get('seen')}, expected {row.get('limit')}" for row in bad)
    names = ", ".join(str(row.get("id")) for row in bad)
    return failed(f"{len(bad)} of {len(rows)} criteria do not hold: {names}.", subject=subject, seen=lines[0],
                  expected="all criteria hold", evidence=[Evidence(what, lines)])


def figures_of(document: dict[str, Any]) -> dict[str, float]:
    """Return the numbers a job measured."""
    found = document.get("figures")
    pairs = found.items() if isinstance(found, dict) else ()
    return {str(name): float(value) for name, value in pairs if isinstance(value, int | float)}


def last_lines(log: str) -> tuple[str, ...]:
    """Return the last lines of a log that say something."""
    lines = [line.strip()[:LINE_LENGTH] for line in log.splitlines() if line.strip()]
    return tuple(lines[-LOG_LINES:])
