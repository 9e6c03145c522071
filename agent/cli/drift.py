"""`firstlight drift`: say what changed on this machine, from what to what, when, and by what."""

from __future__ import annotations

import sys
import time
from contextlib import nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING

from agent.cli import options, terminal
from agent.model.verdict import ExitCode

if TYPE_CHECKING:
    import argparse

    from agent.app import App
    from agent.model.drift import DriftReport


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--against",
        default="",
        metavar="profile|baseline|FILE",
        help="compare with this alone (default: profile and, once accepted, baseline)",
    )
    parser.add_argument(
        "--of", metavar="FILE", help="with --against FILE: compare this report with it instead of this machine"
    )
    parser.add_argument(
        "--since", metavar="WHEN", help="what came or went since then: 2h, 3d, 2026-11-21, '2026-11-21 14:00'"
    )
    parser.add_argument("--accept", metavar="REASON", help="make the machine as it is now its baseline")
    options.add_only(parser, "AREA|CHECK")
    options.add_profile(parser)
    options.add_machine(parser)
    options.add_output(parser)
    parser.add_argument(
        "--facts", action="store_true", help="with -o json: the whole fingerprint too, for --against FILE"
    )
    parser.add_argument(
        "--no-save", action="store_true", help="do not keep what is found in the history of drifts"
    )


def run(args: argparse.Namespace) -> int:
    """Look, accept, or show the history. Exit code 0 no drift, 1 drift, 2 not everything could be compared."""
    from agent.app import App

    app = App(capture=args.machine, profile=args.profile)
    if args.accept is not None:
        return _accept(app, args)
    ahead = args.against in ("", "profile") and not args.only
    with app.asking_ahead("standard", kept=True) if ahead else nullcontext():
        report = _looked(app, args)
    if not args.no_save and app.recording is None:
        app.tell_exporter(terminal.warn)
    if args.since is not None:
        return _since(app, args, report)
    if args.output == "json":
        from agent.drift.document import report_to_document
        from agent.report.json import render_envelope

        sys.stdout.write(render_envelope(report_to_document(report, facts=args.facts), command="drift"))
    else:
        from agent.report.drift import render_drift

        sys.stdout.write(render_drift(report))
    return code_of(report)


def _looked(app: App, args: argparse.Namespace) -> DriftReport:
    from agent.watch import BASELINE, PROFILE, between, load_fingerprint

    if args.of is not None:
        if args.against in ("", PROFILE, BASELINE):
            from agent.model.errors import UsageError

            raise UsageError("drift: --of compares two reports", "name the earlier one: --against FILE")
        before, now = load_fingerprint(args.against), load_fingerprint(args.of)
        return between(before, now, app.resolved.profile.drift.ignore, options.only(args))
    save, facts, only = not args.no_save, args.facts, options.only(args)
    if args.against in ("", PROFILE, BASELINE):
        against = (args.against,) if args.against else (PROFILE, BASELINE)
        if against == (BASELINE,) and app.drift.find_baseline() is None:
            from agent.model.errors import UsageError

            raise UsageError(
                f"{app.hardware.hostname} has no baseline", "make one: firstlight drift --accept 'REASON'"
            )
        return app.drift.look(against=against, only=only, save=save, facts=facts, warn=terminal.warn)
    return app.drift.look(other=load_fingerprint(args.against), only=only, save=save, warn=terminal.warn)


def _accept(app: App, args: argparse.Namespace) -> int:
    from agent.drift.areas import BY_NAME
    from agent.model.errors import UsageError

    areas = options.only(args)
    if unknown := [area for area in areas if area not in BY_NAME]:
        raise UsageError(f"drift: {', '.join(unknown)}: no such area", f"the areas are {', '.join(BY_NAME)}")
    if not args.accept.strip():
        raise UsageError("drift: --accept needs a reason", "say why the machine is right as it is")
    baseline = app.drift.accept(args.accept.strip(), _who(), areas)
    app.tell_exporter(terminal.warn)
    count = sum(map(len, baseline.fingerprint.facts.values()))
    sys.stdout.write(f"{baseline.fingerprint.machine}: {count} facts are the baseline now\n")
    for area, reason in baseline.fingerprint.unread.items():
        terminal.warn(f"{area} is not in it: {reason}")
    return ExitCode.OK


def _since(app: App, args: argparse.Namespace, report: DriftReport) -> int:
    from agent.report.drift import render_history

    moment = moment_of(args.since, time.time())
    kept = app.drift.store.since(report.fingerprint.machine, moment)
    if args.output == "json":
        from agent.report.json import render_envelope

        sys.stdout.write(render_envelope([asdict(each) for each in kept], command="drift", since=moment))
    else:
        sys.stdout.write(render_history(kept, moment))
    return ExitCode.FAILED if any(each.ended is None for each in kept) else ExitCode.OK


def moment_of(text: str, now: float) -> float:
    """Return `30m`, `2h`, `3d`, `1w` ago or a local date and time in seconds since the epoch. Raises UsageError."""
    import re
    from datetime import datetime

    if match := re.fullmatch(r"(\d+)\s*([mhdw])", text.strip()):
        return now - int(match[1]) * {"m": 60, "h": 3600, "d": 86400, "w": 604800}[match[2]]
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except ValueError as error:
        from agent.model.errors import UsageError

        raise UsageError(
            f"drift: --since {text}: no time", "write 2h, 3d, 2026-11-21 or '2026-11-21 14:00'"
        ) from error


def _who() -> str:
    import os
    import pwd

    if by := os.environ.get("SUDO_USER"):
        return by
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def code_of(report: DriftReport) -> int:
    """Return 1 for drift, 2 when not everything could be compared, else 0."""
    if report.drifts:
        return ExitCode.FAILED
    return ExitCode.DEGRADED if report.unseen else ExitCode.OK
