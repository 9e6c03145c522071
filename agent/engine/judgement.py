"""One check, observed and judged, as findings. Whatever goes wrong is `unknown` with the reason."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from agent.check import Outcome, unknown
from agent.model.errors import Unobservable
from agent.model.finding import CheckRun, Finding, Remedy
from agent.model.verdict import Verdict

if TYPE_CHECKING:
    from agent.check import Check
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile

_NOTHING = Remedy()


def run_check(check_id: str, check: Check[Any], machine: Machine, profile: ResolvedProfile) -> CheckRun:
    """Return what one check found, run here and now: without deadline and isolation (see pool)."""
    started = time.monotonic()
    findings = _findings(check_id, check, machine, profile)
    return CheckRun(check_id, check.title, time.monotonic() - started, findings)


def unknown_run(check_id: str, check: Check[Any], reason: str, duration_s: float) -> CheckRun:
    """Return the run of a check that could not say anything itself."""
    return CheckRun(check_id, check.title, duration_s, (_finding(check_id, check, unknown(reason)),))


def _findings(
    check_id: str, check: Check[Any], machine: Machine, profile: ResolvedProfile
) -> tuple[Finding, ...]:
    try:
        if check.needs_root and not machine.privileged():
            outcomes = [unknown("needs root: run with sudo")]
        else:
            outcomes = list(check.judge(check.observe(machine, profile), profile))
        if not outcomes:
            outcomes = [unknown("the check said nothing about this machine: this is a bug in the check")]
        return tuple(_finding(check_id, check, outcome) for outcome in outcomes)
    except Unobservable as error:
        return (_finding(check_id, check, unknown(error.message)),)
    except (Exception, SystemExit) as error:
        # The one place that catches everything: a bug in one check is its own unknown and nobody else's.
        return (_finding(check_id, check, unknown(f"the check crashed: {_described(error)}")),)


def _finding(check_id: str, check: Check[Any], outcome: Outcome) -> Finding:
    """Return an outcome under the check's id; the check's own remedy stands only where something is wrong."""
    wrong = outcome.verdict in (Verdict.WARN, Verdict.FAIL)
    remedy = outcome.remedy or (check.remedy if wrong else _NOTHING)
    return Finding(check_id, Verdict(outcome.verdict), outcome.summary, outcome.subject, outcome.seen,
                   outcome.expected, outcome.evidence, remedy)


def _described(error: BaseException) -> str:
    """Return `ValueError: text (file:line)`, the place where it was raised."""
    place, trace = "", error.__traceback__
    while trace is not None:
        place = f" ({trace.tb_frame.f_code.co_filename}:{trace.tb_lineno})"
        trace = trace.tb_next
    return f"{type(error).__name__}: {error}{place}"
