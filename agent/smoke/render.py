"""Smoke results as text: what was measured earlier, what there is."""

from __future__ import annotations

import textwrap
import time
from typing import TYPE_CHECKING

from agent.smoke.speed import render_figures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent.model.job import JobLine
    from agent.smoke.session import Job


def render_list(jobs: Mapping[str, Job], width: int) -> str:
    """Return every job with what it proves."""
    wide = max(map(len, jobs)) + 2
    return "".join(
        f"{name:{wide}}{job.title}\n"
        f"{textwrap.fill(job.why, width, initial_indent=' ' * wide, subsequent_indent=' ' * wide)}\n"
        for name, job in jobs.items())


def render_history(lines: Sequence[JobLine]) -> str:
    """Return the kept results, one a line, newest first."""
    if not lines:
        return "no result is kept yet; run: firstlight smoke\n"
    return "".join(
        f"{time.strftime('%Y-%m-%d %H:%M', time.localtime(line.started))}  {line.job:12} {line.verdict:8} "
        f"{line.duration_s:6.1f} s  {line.subject or ('--url' if line.remote else '-')}  "
        f"{render_figures(line.figures)}\n" for line in lines)
