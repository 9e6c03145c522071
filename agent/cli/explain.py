"""`firstlight explain`: a check, a Xid, a pasted error text, or a log."""

from __future__ import annotations

import json
import re
import sys
import textwrap
from typing import TYPE_CHECKING, Any

from agent.cli import options, terminal

if TYPE_CHECKING:
    import argparse

    from agent.check import Check

_LOG_BYTES = 8 << 20
_NOTHING = """no rule knows this text

What to do:
  1. Give the line that names the error: mostly the first error of a log, not the last.
  2. firstlight explain --log FILE looks through a whole log.
  3. firstlight check looks at the machine itself.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "what",
        nargs="*",
        metavar="ID|AREA|xid N|TEXT",
        help="a check, an area, `xid 79`, `sxid 12028`, an error text, or - to read a log; nothing lists all checks",
    )
    parser.add_argument("--log", metavar="FILE", help="look through a log (its last 8 MiB) for known errors")
    options.add_profile(parser)
    options.add_machine(parser)
    options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Explain a log, a Xid or an error text, else a check, or list several. Exit code 2: no rule knows the text."""
    from agent.model.errors import UsageError

    what = " ".join(args.what)
    if args.log is not None or what == "-":
        if args.log is not None and what:
            raise UsageError(f"explain: either --log {args.log} or {what!r}, not both")
        return _explain_log(args)
    if _is_text(what):
        return _explain_text(what, args)
    return _explain_check(what, args)


def _is_text(what: str) -> bool:
    """Return whether it is an error text or a Xid; else it can only be the name of a check or an area."""
    return not re.fullmatch(r"(?!s?xid\d)[a-z0-9-]*(\.[a-z0-9-]+)?", what)


def _explain_text(what: str, args: argparse.Namespace) -> int:
    from agent.matrix.explanation import explain_text, to_document

    found = explain_text(what)
    if args.output == "json":
        _print_json([to_document(item) for item in found])
    elif found:
        from agent.matrix.render import render_explanation

        sys.stdout.write("\n".join(render_explanation(item, terminal.width()) for item in found))
    else:
        sys.stdout.write(_NOTHING)
    return 0 if found else 2


def _explain_log(args: argparse.Namespace) -> int:
    from agent.matrix.explanation import explain_log, to_document

    found = explain_log(_read_log(args.log))
    if args.output == "json":
        where = ({"line": seen.line, "text": seen.text, "times": seen.times} for seen in found)
        _print_json([{**to_document(seen.explanation), **place} for seen, place in zip(found, where, strict=True)])
    elif found:
        from agent.matrix.render import render_sighting

        sys.stdout.write("\n".join(render_sighting(seen, terminal.width()) for seen in found))
    else:
        sys.stdout.write(_NOTHING)
    return 0 if found else 2


def _read_log(path: str | None) -> str:
    """Return the last 8 MiB of a log as text; None and - are standard input. Raises UsageError."""
    from pathlib import Path

    from agent.model.errors import UsageError

    if path in (None, "-"):
        return sys.stdin.buffer.read()[-_LOG_BYTES:].decode(errors="replace")
    try:
        with Path(str(path)).open("rb") as log:
            size = log.seek(0, 2)
            log.seek(max(0, size - _LOG_BYTES))
            data = log.read()
    except OSError as error:
        raise UsageError(f"--log {path}: {error.strerror}", "name a text file, or - for standard input") from error
    if size > _LOG_BYTES:
        terminal.warn(f"{path}: looked through the last 8 of {size / (1 << 20):.0f} MiB; lines count from there")
    return data.decode(errors="replace")


def _print_json(data: object) -> None:
    from agent.report.json import render_envelope

    sys.stdout.write(render_envelope(data, command="explain"))


def _explain_check(what: str, args: argparse.Namespace) -> int:
    from agent.app import App

    app = App(capture=args.machine, profile=args.profile)
    chosen = app.checks((what,) if what else ())
    expected = app.expected(chosen[what]) if what in chosen else {}
    if args.output == "json":
        from agent.report.json import render_envelope

        data = {check_id: _document(check) for check_id, check in chosen.items()}
        if what in chosen:
            data[what]["expected"] = expected
        sys.stdout.write(render_envelope(data, command="explain"))
    elif what in chosen:
        sys.stdout.write(_page(what, chosen[what], expected, terminal.width()))
    else:
        wide = max(len(check_id) for check_id in chosen)
        sys.stdout.writelines(
            f"{check_id:{wide}}  {check.level.name.lower():8}  {check.title}\n"
            for check_id, check in chosen.items()
        )
    return 0


def _document(check: Check[Any]) -> dict[str, Any]:
    return {
        "title": check.title,
        "why": check.why,
        "level": check.level.name.lower(),
        "looks": _looks(check),
        "timeout_s": check.timeout_s,
        "needs_root": check.needs_root,
        "remedy": {"role": check.remedy.role, "steps": list(check.remedy.steps)},
    }


def _looks(check: Check[Any]) -> str:
    """Return how the check looks: the sentence its `observe` is documented by."""
    import inspect

    return " ".join((inspect.getdoc(check.observe) or "").split())


def _page(check_id: str, check: Check[Any], expected: dict[str, Any], width: int) -> str:
    root = ", needs root" if check.needs_root else ""
    steps = [f"firstlight fix {check_id}   (role {check.remedy.role})"] if check.remedy.role else []
    steps += check.remedy.steps
    parts = [
        f"{check_id}: {check.title}",
        "",
        _filled(check.why, width),
        "",
        _filled(
            f"It looks so: {_looks(check)} Level {check.level.name.lower()}, at most {check.timeout_s:g} s{root}.",
            width,
        ),
    ]
    if expected:
        parts += [
            "",
            "This profile wants:",
            *(f"  {key}: {json.dumps(value)}" for key, value in expected.items()),
        ]
    if steps:
        parts += [
            "",
            "To repair:",
            *(
                textwrap.fill(step, width, initial_indent=f"  {number}. ", subsequent_indent="     ")
                for number, step in enumerate(steps, 1)
            ),
        ]
    return "\n".join(parts) + "\n"


def _filled(text: str, width: int) -> str:
    return textwrap.fill(" ".join(text.split()), width)
