"""`firstlight fit`: whether a model fits, to serve or to tune, and what would help."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from agent.cli import options, terminal

if TYPE_CHECKING:
    import argparse

    from agent.smoke.fit.machine import Room

USES = ("serve", "lora", "qlora", "full", "full-bf16")
SERVED = ("bf16", "fp8", "nvfp4", "int4")
CACHES = {"bf16": 2.0, "fp8": 1.0}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("model", metavar="MODEL", help="its config.json, a name such as llama-3.1-8b, or a size: 8B")
    parser.add_argument("--use", action="append", choices=USES, help="may be repeated (default: all)")
    parser.add_argument("--precision", action="append", choices=("fp32", "int8", *SERVED),
                        help=f"of the served weights; may be repeated (default: {', '.join(SERVED)})")
    parser.add_argument("--context", type=int, default=8192, metavar="TOKENS", help="of a served sequence (8192)")
    parser.add_argument("--length", type=int, default=2048, metavar="TOKENS", help="of a sequence to tune on (2048)")
    parser.add_argument("--batch", type=int, default=1, metavar="N", help="sequences at once (1)")
    parser.add_argument("--rank", type=int, default=16, metavar="N", help="of an adapter (16)")
    parser.add_argument("--kv", choices=tuple(CACHES), default="bf16", help="precision of the KV cache (bf16)")
    parser.add_argument("--memory", metavar="SIZE", help="of a card, instead of this machine's")
    parser.add_argument("--gpus", type=int, default=1, metavar="N", help="cards of that memory (1)")
    options.add_machine(parser)
    options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Print the answer. Exit code: 0 everything asked for fits, 2 some of it, 1 nothing."""
    from agent.model.errors import UsageError
    from agent.smoke.fit.answer import Question, answer, render_answer, to_document
    from agent.smoke.fit.shape import find_shape

    if min(args.context, args.length, args.batch, args.rank, args.gpus) < 1:
        raise UsageError("fit: --context, --length, --batch, --rank and --gpus are at least 1")
    shape = find_shape(args.model)
    asked = Question(tuple(args.use or USES), tuple(args.precision or SERVED), args.context, args.length,
                     args.batch, args.rank, CACHES[args.kv])
    room = _room(args)
    lines = answer(shape, room, asked)
    if args.output == "json":
        from agent.report.json import render_envelope

        sys.stdout.write(render_envelope(to_document(shape, room, asked, lines), command="fit"))
    else:
        sys.stdout.write(render_answer(shape, room, asked, lines, terminal.width()))
    fitting = sum(line.fits for line in lines)
    return 0 if fitting == len(lines) else 2 if fitting else 1


def _room(args: argparse.Namespace) -> Room:
    from agent.smoke.fit.machine import named_room, observe_room

    if args.memory is None:
        from agent.app import App

        return observe_room(App(capture=args.machine).machine)
    from agent.model.errors import UsageError
    from agent.model.units import parse_size

    try:
        return named_room(parse_size(args.memory), args.gpus)
    except ValueError as error:
        raise UsageError(f"fit: --memory: {error}") from error
