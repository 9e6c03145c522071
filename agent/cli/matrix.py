"""`firstlight matrix`: what goes with what: driver, CUDA, cuDNN, framework, image and card."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from agent.cli import options, terminal

if TYPE_CHECKING:
    import argparse

    from agent.matrix.ask import Ask

SYSTEMS = "debian-12, debian-13, ubuntu-22.04, ubuntu-24.04, dgx-os"
_CODES = {"yes": 0, "no": 1, "unknown": 2}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    show = actions.add_parser(
        "show", help="print a table with its sources; without a name the list of tables"
    )
    show.add_argument("table", nargs="?", metavar="TABLE")
    options.add_output(show)
    check = actions.add_parser("check", help="judge what this machine combines, as far as it can be seen")
    options.add_machine(check)
    options.add_output(check)
    solve = actions.add_parser("solve", help="say what fits a card, or why nothing does")
    solve.add_argument(
        "wants",
        nargs="*",
        metavar="WANT",
        help="torch==2.9+cu128, torch==2.9@pypi, vllm, cuda==13.0, cudnn, driver==580, kernel==6.12, python==3.12, "
        "nvfp4, or an image reference",
    )
    solve.add_argument("--card", help="name, PCI device id or compute capability (default: this machine's)")
    solve.add_argument("--arch", choices=("x86_64", "aarch64"), help="default: this machine's")
    solve.add_argument("--os", help=f"{SYSTEMS}; any (default: this machine's, any where --card is given)")
    options.add_machine(solve)
    options.add_output(solve)


def run(args: argparse.Namespace) -> int:
    """Do one action. Exit code of check and solve: 0 it fits, 1 it does not, 2 no row says."""
    return {"show": _show, "check": _check, "solve": _solve}[args.action](args)


def _print(args: argparse.Namespace, data: object, text: str) -> None:
    if args.output == "json":
        from agent.report.json import render_envelope

        text = render_envelope(data, command=f"matrix {args.action}")
    sys.stdout.write(text)


def _show(args: argparse.Namespace) -> int:
    from agent.matrix.render import render_table, to_document
    from agent.matrix.tables import TABLES, load_table

    if args.table is None:
        sizes = {name: len(load_table(name)) for name in TABLES}
        _print(args, sizes, "".join(f"{name:14} {size:4} rows\n" for name, size in sizes.items()))
        return 0
    rows = load_table(args.table)
    _print(args, [to_document(row) for row in rows], render_table(args.table, rows))
    return 0


def _check(args: argparse.Namespace) -> int:
    from agent.app import App
    from agent.matrix.combination import observe_combination
    from agent.matrix.judgement import judge_combination
    from agent.matrix.render import render_lines
    from agent.matrix.solution import citation

    app = App(capture=args.machine)
    lines = judge_combination(observe_combination(app.machine, app.hardware))
    data = [
        {
            "about": about,
            "answer": str(verdict.answer),
            "says": verdict.says,
            "rows": [citation(row) for row in verdict.rows],
        }
        for about, verdict in lines
    ]
    nothing = "not applicable: there is no NVIDIA card on the PCI bus\n"
    _print(args, data, render_lines(lines, terminal.width()) if lines else nothing)
    answers = {str(verdict.answer) for _, verdict in lines}
    return next((_CODES[answer] for answer in ("no", "unknown") if answer in answers), 0)


def _solve(args: argparse.Namespace) -> int:
    from agent.matrix.render import render_result
    from agent.matrix.solution import to_document
    from agent.matrix.solver import solve

    result = solve(_ask(args))
    document = to_document(result)
    _print(args, document, render_result(result, terminal.width()))
    return _CODES[document["answer"]]


def _ask(args: argparse.Namespace) -> Ask:
    """Return the question; what is not given comes from the machine."""
    from agent.app import App
    from agent.matrix.ask import Ask, parse_want
    from agent.matrix.combination import system_name
    from agent.model.errors import UsageError

    wants = tuple(parse_want(text) for text in args.wants)
    if args.card and args.arch:
        return Ask(args.card, args.arch, "" if args.os in (None, "any") else args.os, wants)
    hardware = App(capture=args.machine).hardware
    cards = sorted({gpu.device_id for gpu in hardware.gpus})
    if not args.card and not cards:
        raise UsageError("there is no NVIDIA card on the PCI bus", "name one: --card 'RTX 4090'")
    if not args.card and len(cards) > 1:
        names = ", ".join(sorted({gpu.name for gpu in hardware.gpus}))
        raise UsageError(f"this machine has several kinds of cards: {names}", "say which: --card NAME")
    here = "any" if args.card else system_name(hardware)
    system = args.os or here
    return Ask(
        args.card or cards[0], args.arch or hardware.architecture, "" if system == "any" else system, wants
    )
