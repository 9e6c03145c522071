"""`firstlight fix`: plan, then apply, only what repairs the named checks; then look again."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from agent.cli import options
from agent.model.verdict import Verdict
from agent.report.visible import visible

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from agent.model.finding import Finding, Report
    from agent.model.plan import Run

WRONG = (Verdict.FAIL, Verdict.WARN)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    from agent.cli.provisioning import add_permissions

    parser.add_argument("check", nargs="+", metavar="CHECK", help="the checks to repair, by id or area")
    options.add_profile(parser)
    options.add_output(parser)
    add_permissions(parser)


def run(args: argparse.Namespace) -> int:
    """Look, repair what a role can repair, look again; the exit code is that of the second look."""
    from agent.app import App
    from agent.cli import provisioning
    from agent.cli.rendering import code_of

    app = App(profile=args.profile)
    report = _looked(app.check(level="deep", only=args.check), args)
    findings = [finding for finding in report.findings if finding.verdict in WRONG]
    roles = roles_of(findings)
    _say(args, *steps_of(findings))
    if not roles:
        _say(args, "nothing here is repaired by a role" if findings else "nothing to repair")
        return _ended(report, None, args, code_of(report, args))
    words = [*args.check, *provisioning.chosen_words(args, ())]
    command = provisioning.own_command("fix", *words)
    provisioning.require_rights(args, command)
    job = provisioning.make_job(app, roles, allow_disruption=args.allow_disruption)
    plan, go_on = provisioning.agreed(job, args, command)
    if plan is not None and not go_on:
        return _ended(report, None, args, code_of(report, args))
    done = provisioning.applied(app, job)
    if provisioning.run_code(done) == provisioning.CANCELLED:
        return _ended(report, done, args, provisioning.CANCELLED)
    again = _looked(App(profile=args.profile).check(level="deep", only=args.check), args)
    return _ended(again, done, args, max(code_of(again, args), provisioning.run_code(done)))


def roles_of(findings: Sequence[Finding]) -> tuple[str, ...]:
    """Return the roles that repair these findings, once each."""
    return tuple(dict.fromkeys(finding.remedy.role for finding in findings if finding.remedy.role))


def steps_of(findings: Sequence[Finding]) -> list[str]:
    """Return what only a person can do about these findings, as lines."""
    lines = []
    for finding in findings:
        if finding.remedy.steps and not finding.remedy.role:
            about = f" ({visible(finding.subject)})" if finding.subject else ""
            lines.append(f"{finding.check}{about}: {visible(finding.summary)}")
            lines += [f"  {number}. {visible(step)}" for number, step in enumerate(finding.remedy.steps, 1)]
    return lines


def _looked(report: Report, args: argparse.Namespace) -> Report:
    if not report.runs:
        from agent.model.errors import UsageError

        raise UsageError(f"{', '.join(args.check)}: nothing to look at", "see: firstlight explain")
    return report


def _say(args: argparse.Namespace, *lines: str) -> None:
    if args.output == "text":
        sys.stdout.writelines(f"{line}\n" for line in lines)


def _ended(report: Report, done: Run | None, args: argparse.Namespace, code: int) -> int:
    """Show what was done and the last look; return the exit code."""
    from agent.model.document import report_to_document

    if args.output == "json":
        from agent.report.json import render_envelope

        data = {"run": None if done is None else asdict(done), "report": report_to_document(report)}
        sys.stdout.write(render_envelope(data, command="fix"))
        return code
    from agent.cli.changes import render_run
    from agent.cli.rendering import print_report

    if done is not None:
        sys.stdout.write(render_run(done, "") + "\n")
    print_report(report, args)
    return code
