"""The five verdicts and how they add up."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Verdict(StrEnum):
    """What a check concluded about one subject. Only a check's `judge` can say pass."""

    PASS = "pass"  # noqa: S105
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not-applicable"


class ExitCode:
    """Exit codes of the command line (`-o nagios` keeps Nagios' own)."""

    OK = 0
    FAILED = 1
    DEGRADED = 2
    ERROR = 3


EXIT_MEANINGS = {
    ExitCode.OK: "everything asked for is as it must be; a plan has no changes",
    ExitCode.FAILED: "something failed; for plan and drift: changes exist",
    ExitCode.DEGRADED: "something is a warning, or could not be looked at (unknown)",
    ExitCode.ERROR: "wrong usage, or an error of Firstlight itself; nothing was judged",
}


def exit_code(verdicts: Iterable[Verdict]) -> int:
    """Return 1 if anything failed, 2 if anything is warn or unknown, else 0."""
    seen = set(verdicts)
    if Verdict.FAIL in seen:
        return ExitCode.FAILED
    if Verdict.WARN in seen or Verdict.UNKNOWN in seen:
        return ExitCode.DEGRADED
    return ExitCode.OK
