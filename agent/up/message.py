"""The scorecard in the login message, until somebody acknowledges it."""

from __future__ import annotations

import contextlib
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from agent.model.errors import StateError
from agent.report.visible import visible
from agent.report.words import LABEL, SYMBOL, tally, when, worst, wrong
from agent.state.atomic import write_atomic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.model.finding import Report
    from agent.up.state import FirstBoot

MESSAGE = Path("/etc/motd.d/60-firstlight")
SHOWN = 8
WIDTH = 80


def render_message(state: FirstBoot, reports: Sequence[Report]) -> str:
    """Return the short scorecard: how each report ended, what is wrong, what was noted, what to do."""
    lines = [""]
    for report in reports:
        verdict = worst(report)
        jobs = bool(report.runs) and all(run.check.startswith("smoke.") for run in report.runs)
        what = "smoke jobs" if jobs else "checks"
        lines.append(f"{SYMBOL[verdict]} Firstlight, {when(report.finished)}: {what} of {visible(report.machine)} "
                     f"({report.profile}): {tally(report)}")
    if not reports:
        lines.append("? Firstlight: the first boot ended without a report")
    found = [finding for report in reports for finding in wrong(report)]
    for finding in found[:SHOWN]:
        subject = f" {visible(finding.subject)}" if finding.subject else ""
        lines += _wrapped(f"{LABEL[finding.verdict]:8}{finding.check}{subject}: {visible(finding.summary)}")
    if len(found) > SHOWN:
        lines.append(f"  … and {len(found) - SHOWN} more")
    for note in state.notes:
        lines += _wrapped(f"note    {visible(note)}")
    lines += ["  All of it: firstlight report show      Stop showing this: sudo firstlight up --acknowledge", ""]
    return "\n".join(lines) + "\n"


def render_waiting(what: str, hint: str) -> str:
    """Return the login message of a first boot that waits for a person."""
    return f"\n! Firstlight: the first boot is not finished: {visible(what)}\n  {visible(hint)}\n\n"


def write_message(text: str, path: Path = MESSAGE) -> None:
    """Show a text at every login (pam_motd reads /etc/motd.d). Raises StateError."""
    try:
        path.parent.mkdir(mode=0o755, exist_ok=True)
    except OSError as error:
        raise StateError(f"{path.parent}: cannot be made: {error.strerror}") from error
    write_atomic(path, text)


def remove_message(path: Path = MESSAGE) -> bool:
    """Stop showing it; return whether there was one. An empty folder goes with it."""
    if not path.exists():
        return False
    path.unlink()
    with contextlib.suppress(OSError):
        path.parent.rmdir()
    return True


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH - 2, initial_indent="  ", subsequent_indent="          ", break_on_hyphens=False)
