"""What plan, apply and fix share: the job, a plan with progress, the question, an apply with progress."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from agent.cli import terminal
from agent.cli.changes import render_plan, render_run
from agent.cli.progress import Progress
from agent.model.errors import StateError, UsageError
from agent.model.plan import Outcome
from agent.model.verdict import ExitCode

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from agent.app import App
    from agent.model.plan import Plan, Run
    from agent.provision.job import Job

CANCELLED = 130
SUDO_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


def add_permissions(parser: argparse.ArgumentParser) -> None:
    """Add the options of the commands that change something."""
    parser.add_argument("--yes", action="store_true", help="do not ask; needed where there is no terminal")
    parser.add_argument("--allow-disruption", action="store_true",
                        help="also do what disturbs running containers or GPU work")


def make_job(app: App, roles: Sequence[str], *, allow_disruption: bool) -> Job:
    """Return the job for this machine. Raises UsageError, ProvisionError, ProfileError."""
    from agent.provision.job import prepare

    return prepare(app.resolved, app.hardware, only=roles, allow_disruption=allow_disruption)


def planned(job: Job) -> Plan:
    """Return the plan of a job, with progress on stderr."""
    from agent.provision.plan import plan

    with Progress("looking:") as progress:
        return plan(job, on_step=progress.step, say=progress.say)


def applied(app: App, job: Job) -> Run:
    """Apply a job with progress on stderr, and keep the run in the history."""
    from agent.provision.apply import apply

    with Progress("applying:") as progress:
        run = apply(job, on_step=progress.step, say=progress.say)
    try:
        with app.history() as history:
            history.add_run(run, app.hardware.hostname)
        app.tell_exporter(terminal.warn)
    except StateError as error:
        terminal.warn(f"the run is not kept in the history: {error.message}")
    return run


def agreed(job: Job, args: argparse.Namespace, command: str) -> tuple[Plan | None, bool]:
    """Return the plan that was shown (None with --yes) and whether to go on."""
    if args.yes:
        return None, True
    plan = planned(job)
    sys.stderr.write(render_plan(plan, command))
    return plan, bool(plan.changes) and _answered_yes(f"Make {_these(len(plan.changes))}? [y/N] ")


def require_rights(args: argparse.Namespace, command: str) -> None:
    """Raise UsageError without root, or when nobody can be asked and --yes is not given."""
    if os.geteuid() != 0:
        raise UsageError("this changes the system and needs root", f"run: {command}")
    if not args.yes and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("there is no terminal to ask at", f"run firstlight plan first, then {command} --yes")


def own_command(*words: str) -> str:
    """Return the command line that runs us as root with these words, to be copied by a person."""
    program = Path(sys.argv[0])
    known = program.name == "firstlight" and any(
        Path(folder, "firstlight").exists() for folder in SUDO_FOLDERS)
    name = "firstlight" if known else str(program.absolute())
    return shlex.join([*(["sudo"] if os.geteuid() != 0 else []), name, *words])


def chosen_words(args: argparse.Namespace, roles: Sequence[str]) -> list[str]:
    """Return the options of this call that the next one must repeat."""
    words = ["--profile", args.profile] if args.profile else []
    words += ["--only", ",".join(roles)] if roles else []
    return words + (["--allow-disruption"] if args.allow_disruption else [])


def plan_code(plan: Plan) -> int:
    """Return 3 when a role could not be planned, 1 when changes exist, 2 for refusals only, else 0."""
    if plan.failure:
        return ExitCode.ERROR
    if plan.changes:
        return ExitCode.FAILED
    return ExitCode.DEGRADED if plan.refusals else ExitCode.OK


def run_code(run: Run) -> int:
    """Return the exit code of an apply: 0 done, 1 failed or refused, 130 cancelled."""
    if run.outcome is Outcome.CANCELLED:
        return CANCELLED
    return ExitCode.OK if run.outcome is Outcome.DONE else ExitCode.FAILED


def show_run(run: Run, args: argparse.Namespace) -> None:
    """Write a finished run to stdout as `args.output` says."""
    if args.output == "json":
        from agent.report.json import render_envelope

        sys.stdout.write(render_envelope(asdict(run), command="apply"))
    else:
        sys.stdout.write(render_run(run))


def _these(count: int) -> str:
    return "this change" if count == 1 else f"these {count} changes"


def _answered_yes(question: str) -> bool:
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
