"""`firstlight matrix`: what goes with what: driver, CUDA, cuDNN, framework, image and card."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from agent.cli import options, terminal

if TYPE_CHECKING:
    import argparse

    from agent.app import App
    from agent.matrix.ask import Ask
    from agent.matrix.combination import Combination
    from agent.matrix.subject import Subject

_CODES = {"yes": 0, "no": 1, "unknown": 2}
_ARCHITECTURES = ("x86_64", "aarch64")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    show = actions.add_parser("show", help="print a table with its sources; without a name the list of tables")
    show.add_argument("table", nargs="?", metavar="TABLE")
    options.add_output(show)
    check = actions.add_parser(
        "check", help="judge what this machine combines, or what it would with the options given"
    )
    _add_place(check)
    check.add_argument("--driver", metavar="VERSION", help="a version (580.95.05) or a branch (580)")
    check.add_argument("--cuda", metavar="VERSION", help="a toolkit release (13.0.2)")
    check.add_argument("--cudnn", metavar="VERSION", help="a cuDNN release (9.10.2)")
    check.add_argument("--kernel", metavar="VERSION", help="the kernel the driver is to be built for (6.12)")
    solve = actions.add_parser("solve", help="say what fits a card, or why nothing does")
    says = (
        "torch==2.9+cu128, torch==2.9@pypi, vllm, cuda==13.0, cudnn, driver==580, kernel==6.12, python==3.12, "
        "nvfp4, or an image reference"
    )
    solve.add_argument("wants", nargs="*", metavar="WANT", help=says)
    solve.add_argument("--want", action="append", default=[], metavar="WANT", help="the same as an option")
    _add_place(solve)


def _add_place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--card", help="name, PCI device id or compute capability such as 8.9 (default: this machine's)"
    )
    parser.add_argument("--arch", choices=_ARCHITECTURES, help="default: the card's own, else this machine's")
    parser.add_argument(
        "--os",
        metavar="SYSTEM",
        help="debian-12, ubuntu-24.04, dgx-os, any … (default: this machine's; with --card any)",
    )
    options.add_machine(parser)
    options.add_output(parser)


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
    from agent.matrix.judgement import judge_combination
    from agent.matrix.render import render_lines
    from agent.matrix.solution import citation

    lines = judge_combination(_combination(args))
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


def _combination(args: argparse.Namespace) -> Combination:
    """Return what the machine combines, with what the options say in its place; with --card only the options."""
    import dataclasses

    from agent.matrix.ask import parse_version
    from agent.matrix.combination import Combination, Told, observe_combination

    given = {name: parse_version(name, getattr(args, name) or "") for name in ("driver", "cuda", "cudnn", "kernel")}
    system = _system(args)
    if args.card:
        seen = Combination(((_card(args.card).name, args.card),), _architecture(args) if system else "",
                           system or "", "", Told(), None, Told(), Told())
    else:
        app = _app(args)
        seen = observe_combination(app.machine, app.hardware)
        if not any(given.values()) and not args.arch and system is None:
            return seen
    return dataclasses.replace(
        seen,
        architecture=args.arch or seen.architecture,
        system=seen.system if system is None else system,
        kernel=given["kernel"],
        driver=Told(given["driver"]) if given["driver"] else seen.driver,
        open_module=None if given["driver"] else seen.open_module,
        toolkit=Told(given["cuda"]) if given["cuda"] else seen.toolkit,
        cudnn=Told(given["cudnn"]) if given["cudnn"] else seen.cudnn,
        asked=True,
    )


def _ask(args: argparse.Namespace) -> Ask:
    """Return the question; what is not given comes from the machine."""
    from agent.matrix.ask import Ask, parse_want
    from agent.model.errors import UsageError

    wants = tuple(parse_want(text) for text in (*args.wants, *args.want))
    system = _system(args)
    if args.card:
        _card(args.card)
        return Ask(args.card, _architecture(args), system or "", wants)
    from agent.matrix.combination import system_name

    hardware = _app(args).hardware
    cards = sorted({gpu.device_id for gpu in hardware.gpus})
    if not cards:
        raise UsageError("there is no NVIDIA card on the PCI bus", "name one: --card 'RTX 4090'")
    if len(cards) > 1:
        names = ", ".join(sorted({gpu.name for gpu in hardware.gpus}))
        raise UsageError(f"this machine has several kinds of cards: {names}", "say which: --card NAME")
    return Ask(cards[0], _architecture(args), system_name(hardware) if system is None else system, wants)


def _app(args: argparse.Namespace) -> App:
    from agent.app import App

    return App(capture=args.machine)


def _architecture(args: argparse.Namespace) -> str:
    """Return the CPU that is asked about: with a card that is built together with one, that one."""
    own = _card(args.card).architectures if args.card else ()
    return args.arch or (own[0] if len(own) == 1 else _app(args).hardware.architecture)


def _card(text: str) -> Subject:
    """Return the card somebody typed. Raises UsageError with the nearest names when no row knows it."""
    from agent.matrix.subject import find_subject, near_cards
    from agent.matrix.tables import Matrix
    from agent.model.errors import UsageError

    matrix = Matrix()
    found = find_subject(text, matrix)
    if not found.rows:
        near = near_cards(text, matrix)
        first = f"did you mean {' or '.join(near)}? Else give" if near else "give"
        raise UsageError(
            f"--card {text}: no row describes such a card",
            f"{first} its compute capability (--card 8.9); firstlight matrix show cards lists the cards",
        )
    return found


def _system(args: argparse.Namespace) -> str | None:
    """Return the system that is asked about: empty for any, None when the option was not given."""
    if args.os in (None, "any"):
        return None if args.os is None else ""
    from agent.matrix.tables import Matrix
    from agent.model.errors import UsageError

    known = dict.fromkeys(row.system for row in Matrix().table("systems"))
    if args.os not in known:
        raise UsageError(f"--os {args.os}: no row describes this system", f"choose from {', '.join(known)}, any")
    return str(args.os)
