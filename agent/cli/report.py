"""`firstlight report`: list, show or compare earlier reports."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from agent.cli import options

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from agent.model.finding import Report
    from agent.state.history import History

WHICH = "NUMBER|FILE|last|previous|baseline"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="what is kept, newest first")
    listing.add_argument("-n", type=int, default=20, metavar="COUNT", help="how many (20)")
    options.add_output(listing)
    show = actions.add_parser("show", help="one report in full")
    show.add_argument("which", nargs="?", default="last", metavar=WHICH)
    options.add_output(show, *options.FORMATS)
    diff = actions.add_parser(
        "diff", help="what changed between two reports; exit code 1 when something did"
    )
    diff.add_argument("old", nargs="?", default="previous", metavar=WHICH)
    diff.add_argument("new", nargs="?", default="last", metavar=WHICH)
    options.add_output(diff)
    accept = actions.add_parser("accept", help="make a report the baseline of its machine")
    accept.add_argument("which", nargs="?", type=int, metavar="NUMBER", help="default: the last one")


def run(args: argparse.Namespace) -> int:
    """Do one action."""
    return {"list": _list, "show": _show, "diff": _diff, "accept": _accept}[args.action](args)


@contextmanager
def _history() -> Iterator[History]:
    from agent.app import App
    from agent.cli.terminal import warn

    with App().history() as history:
        if history.notice:
            warn(history.notice)
        yield history


def _list(args: argparse.Namespace) -> int:
    from dataclasses import asdict

    from agent.report.words import when

    with _history() as history:
        entries = history.entries(max(args.n, 1))
    if args.output == "json":
        from agent.report.json import render_envelope

        sys.stdout.write(render_envelope([asdict(entry) for entry in entries], command="report list"))
        return 0
    if not entries:
        sys.stdout.write("nothing is kept yet; firstlight check makes the first report\n")
    sys.stdout.writelines(
        f"{entry.id:>5}  {when(entry.started)}  {entry.kind:6} {entry.profile:16} {entry.level:9} {entry.summary}"
        f"{'  (baseline)' if entry.accepted else ''}\n"
        for entry in entries
    )
    return 0


def _show(args: argparse.Namespace) -> int:
    from agent.cli.rendering import code_of, print_report

    report = _load(args.which)
    print_report(report, args)
    return code_of(report, args)


def _diff(args: argparse.Namespace) -> int:
    from agent.report.difference import differences, differences_document, render_differences

    found = differences(_load(args.old), _load(args.new))
    if args.output == "json":
        from agent.report.json import render_envelope

        sys.stdout.write(render_envelope(differences_document(found), command="report diff"))
    else:
        sys.stdout.write(render_differences(found))
    return 1 if found else 0


def _accept(args: argparse.Namespace) -> int:
    with _history() as history:
        number = args.which if args.which is not None else _numbers(history, 1)[0]
        history.accept(number)
    sys.stdout.write(f"report {number} is the baseline now\n")
    return 0


def _numbers(history: History, count: int) -> list[int]:
    """Return the numbers of the newest `count` reports. Raises FirstlightError when there are fewer."""
    from agent.model.errors import FirstlightError

    numbers = [entry.id for entry in history.entries(count, "check")]
    if len(numbers) < count:
        raise FirstlightError(
            f"the history holds {len(numbers)} reports, {count} are needed", "firstlight check makes one"
        )
    return numbers


def _load(which: str) -> Report:

    if not which.isdecimal() and which not in ("last", "previous", "baseline"):
        return _load_file(which)
    with _history() as history:
        if which == "baseline":
            return _baseline(history)
        if which == "last":
            return history.report(_numbers(history, 1)[0])
        return history.report(_numbers(history, 2)[1] if which == "previous" else int(which))


def _baseline(history: History) -> Report:
    from agent.model.errors import FirstlightError

    newest = history.report(_numbers(history, 1)[0])
    baseline = history.find_baseline(newest.machine)
    if baseline is None:
        raise FirstlightError(f"{newest.machine} has no baseline", "choose one: firstlight report accept NUMBER")
    return baseline


def _load_file(name: str) -> Report:
    from agent.model.document import report_from_document
    from agent.model.errors import FirstlightError

    try:
        document = json.loads(Path(name).read_bytes())
    except OSError as error:
        raise FirstlightError(
            f"{name}: cannot be read: {error.strerror}", "see: firstlight report list"
        ) from error
    except json.JSONDecodeError as error:
        raise FirstlightError(
            f"{name}:{error.lineno}:{error.colno}: not JSON: {error.msg}",
            "make one with: firstlight check -o json",
        ) from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise FirstlightError(
            f"{name}: not JSON: {error}", "make one with: firstlight check -o json"
        ) from error
    return report_from_document(document, name)
