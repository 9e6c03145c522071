"""A report in the form the caller asked for, and the exit code that goes with it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from agent.cli import terminal
from agent.model.verdict import exit_code

if TYPE_CHECKING:
    import argparse

    from agent.model.finding import Report


def print_report(report: Report, args: argparse.Namespace) -> None:
    """Write a report to stdout as `args.output` says."""
    if args.output == "text":
        from agent.report.text import scorecard

        terminal.show(scorecard(report, terminal.width()), args)
    else:
        sys.stdout.write(rendered(report, args.output))


def rendered(report: Report, form: str) -> str:
    """Return the report as json, junit, nagios or markdown."""
    if form == "json":
        from agent.report.json import render_report

        return render_report(report)
    if form == "junit":
        from agent.report.junit import render_junit

        return render_junit(report)
    if form == "nagios":
        from agent.report.nagios import render_nagios

        return render_nagios(report)
    from agent.report.markdown import render_markdown

    return render_markdown(report)


def code_of(report: Report, args: argparse.Namespace) -> int:
    """Return the exit code of a report: Nagios' own for `-o nagios`, else ours."""
    if args.output == "nagios":
        from agent.report.nagios import nagios_code

        return nagios_code(report)
    return exit_code(finding.verdict for finding in report.findings)
