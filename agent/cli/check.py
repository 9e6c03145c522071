"""`firstlight check`: look whether the machine is what its profile says."""

from __future__ import annotations

import sys
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING

from agent.cli import options, terminal

if TYPE_CHECKING:
    import argparse

    from agent.app import App
    from agent.model.finding import Report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    options.add_level(parser)
    options.add_only(parser, "ID|AREA")
    options.add_profile(parser)
    options.add_machine(parser)
    options.add_output(parser, *options.FORMATS)
    parser.add_argument(
        "--watch",
        type=float,
        nargs="?",
        const=60.0,
        metavar="SECONDS",
        help="look again every so often (60) until interrupted",
    )
    parser.add_argument("--no-save", action="store_true", help="do not keep the report in the history")


def run(args: argparse.Namespace) -> int:
    """Run the checks once, or again and again."""
    if args.watch is not None and args.watch < 1:
        from agent.model.errors import UsageError

        raise UsageError(f"check: --watch {args.watch:g}: at least one second is needed")
    while True:
        code = _once(args)
        if args.watch is None:
            return code
        sys.stdout.write("\n")
        sys.stdout.flush()
        time.sleep(args.watch)


def _once(args: argparse.Namespace) -> int:
    from agent.app import App
    from agent.cli.rendering import code_of, print_report

    app = App(capture=args.machine, profile=args.profile)
    with nullcontext() if args.only else app.asking_ahead(args.level):
        report = _observed(app, args)
    if not report.runs:
        from agent.model.errors import UsageError

        raise UsageError(
            f"check: none of {', '.join(options.only(args))} runs at level {args.level}",
            "name a higher one: --level standard or --level deep",
        )
    if args.machine is None and not args.no_save:
        app.keep(report, terminal.warn)
    print_report(report, args)
    return code_of(report, args)


def _observed(app: App, args: argparse.Namespace) -> Report:
    app.resolved  # noqa: B018 - errors of the profile come before the progress line
    progress = terminal.Progress()
    try:
        return app.check(
            level=args.level, only=options.only(args), on_start=progress.on_start, on_done=progress.on_done
        )
    finally:
        progress.clear()
