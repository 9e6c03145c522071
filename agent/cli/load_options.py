"""The options of `firstlight smoke vllm`: what is measured, as load testers name it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from agent.smoke.load import Load


def add_load(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    group = parser.add_argument_group("the job vllm")
    group.add_argument("--url", default="", help="measure the OpenAI-compatible server there; starts none")
    group.add_argument("--model", default="", metavar="NAME", help="of the server at --url; else a folder to serve")
    group.add_argument("--api", choices=("auto", "completions", "chat"), default="auto", help="default: what answers")
    group.add_argument("--api-key-file", default="", metavar="FILE", help="holds the key for --url")
    group.add_argument("--parallel", default="1,8", metavar="N,…", help="requests at a time, a round each (1,8)")
    group.add_argument("--number", type=int, default=0, metavar="N", help="requests in a round (4 for each at a time)")
    group.add_argument("--prompt-tokens", type=int, default=64, metavar="N", help="length of a prompt (64)")
    group.add_argument("--output-tokens", type=int, default=64, metavar="N", help="length of an answer (64)")
    group.add_argument("--no-stream", action="store_true", help="ask for answers in one piece")
    group.add_argument("--port", type=int, default=0, metavar="N", help="of the server that is started (a free one)")


def chosen_load(args: argparse.Namespace) -> Load:
    """Return what is asked for. Raises UsageError for what cannot be."""
    from pathlib import Path

    from agent.model.errors import UsageError
    from agent.smoke.load import Load

    if args.url and any(name != "vllm" for name in args.jobs):
        raise UsageError("smoke: --url is for the job vllm", "firstlight smoke vllm --url URL")
    numbers = args.parallel.split(",")
    if not all(word.strip().isdigit() and int(word) for word in numbers):
        raise UsageError(f"smoke: --parallel {args.parallel}: not numbers", "for instance --parallel 1,8,32")
    for name in ("number", "prompt_tokens", "output_tokens", "port"):
        least = 0 if name in ("number", "port") else 1
        if getattr(args, name) < least:
            raise UsageError(f"smoke: --{name.replace('_', '-')} {getattr(args, name)}: {least} is the least")
    key = str(Path(args.api_key_file).absolute()) if args.api_key_file else ""
    if key and not Path(key).is_file():
        raise UsageError(f"smoke: --api-key-file {args.api_key_file}: there is no such file")
    return Load(args.url, args.model, args.api, key, args.parallel, args.number, args.prompt_tokens,
                args.output_tokens, not args.no_stream, args.port)
