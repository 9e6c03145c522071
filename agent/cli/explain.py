"""`firstlight explain`: a check, a Xid, or a pasted error text."""

from __future__ import annotations

import inspect
import json
import sys
import textwrap
from typing import TYPE_CHECKING, Any

from agent.cli import options, terminal

if TYPE_CHECKING:
    import argparse

    from agent.check import Check


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "what",
        nargs="*",
        metavar="ID|AREA|xid N|TEXT",
        help="a check, an area, `xid 79`, an error text, or - to read it; nothing lists all checks",
    )
    options.add_profile(parser)
    options.add_machine(parser)
    options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Explain a Xid or an error text, else one check, or list several."""
    what = " ".join(args.what)
    return 0 if _explain_text(what, args) else _explain_check(what, args)


def _explain_text(what: str, args: argparse.Namespace) -> bool:
    """Print what is known of a text and return True; False when it can only be the name of a check."""
    from agent.matrix.explanation import explain_text, to_document
    from agent.model.errors import UsageError

    text = sys.stdin.read() if what == "-" else what
    found = explain_text(text)
    if not found and (what == "-" or " " in what):
        raise UsageError("no rule knows this text", "paste the line that names the error, or try: xid N")
    if args.output == "json" and found:
        from agent.report.json import render_envelope

        sys.stdout.write(render_envelope([to_document(item) for item in found], command="explain"))
    elif found:
        from agent.matrix.render import render_explanation

        sys.stdout.write("\n".join(render_explanation(item, terminal.width()) for item in found))
    return bool(found)


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
