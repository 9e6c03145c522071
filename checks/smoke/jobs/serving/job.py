"""Smoke job `vllm`: serves a model whose answers are known and an adapter that was trained here, and measures both.

Needs Python 3.9 and vLLM (with `--url` neither: any OpenAI-compatible server is measured). Prints one JSON object;
progress goes to stderr. Everything is written below the working directory, nothing is downloaded.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .client import Target
from .figures import table
from .proof import Proof, prove_adapter, prove_counter, prove_heavy, prove_model
from .rounds import find_target, measured
from .server import ServerFailed

BEGUN = time.perf_counter()


def say(text: str) -> None:
    """Tell how it goes."""
    print(f"vllm: {text}", file=sys.stderr, flush=True)


def version_of(package: str) -> str:
    """Return the version of a package that is installed; empty without it."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def served(args: argparse.Namespace) -> dict[str, Any]:
    """Serve and prove: a given model, or the counter, the adapter and the heavy model."""
    proof = Proof(args, Path.cwd(), say)
    if args.model:
        prove_model(proof, Path(args.model))
    else:
        steps: list[tuple[str, Callable[[Proof], None]]] = [("counter", prove_counter), ("adapter", prove_adapter)]
        if args.heavy_bytes:
            steps.append(("heavy", prove_heavy))
        for name, step in steps:
            if name not in args.skip.split(","):
                step(proof)
    return {"checks": proof.rows, "figures": proof.figures, "rounds": proof.rounds,
            "table": table(proof.rounds)}


def called(args: argparse.Namespace) -> dict[str, Any]:
    """Measure a server that is there."""
    key = Path(args.api_key_file).read_text(encoding="utf-8").strip() if args.api_key_file else ""
    target = Target(args.url, args.model, stream=not args.no_stream, key=key, timeout_s=args.answer_s)
    found = find_target(target, args.api, say)
    return {**measured(target, args, say), "server": found}


def read_words(argv: list[str] | None) -> argparse.Namespace:
    """Return the settings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--name", default="", help="what the device is called")
    parser.add_argument("--device-bytes", type=int, default=0, help="memory of the card; 0: the CPU's is not divided")
    parser.add_argument("--heavy-bytes", type=int, default=0, help="weights of the dummy model; 0: none")
    parser.add_argument("--lora-size", default="small")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--engine", choices=("vllm", "transformers"), default="vllm")
    parser.add_argument("--model", default="", help="a folder to serve; with --url the name to ask for")
    parser.add_argument("--port", type=int, default=0, help="of the server; 0: one that is free")
    parser.add_argument("--ready-s", type=float, default=300.0)
    parser.add_argument("--answer-s", type=float, default=120.0, help="silence after which an answer has failed")
    parser.add_argument("--skip", default="", help="counter,adapter,heavy")
    parser.add_argument("--url", default="")
    parser.add_argument("--api", choices=("auto", "completions", "chat"), default="auto")
    parser.add_argument("--api-key-file", default="")
    parser.add_argument("--parallel", default="1,8")
    parser.add_argument("--number", type=int, default=0, help="of requests in a round; 0: 4 for each at a time")
    parser.add_argument("--prompt-tokens", type=int, default=64)
    parser.add_argument("--output-tokens", type=int, default=64)
    parser.add_argument("--long-tokens", type=int, default=960,
                        help="prompt and answer where times must be told apart; models of ours are served with 1024")
    parser.add_argument("--no-stream", action="store_true")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run the job; exit code 0 all criteria hold, 1 not, 4 it could not run."""
    args = read_words(argv)
    document: dict[str, Any] = {"job": "vllm", "device": {
        "name": args.url or args.name or args.device, "kind": args.device, "torch": version_of("torch"),
        args.engine: version_of(args.engine)}}
    document["settings"] = {"parallel": args.parallel, "number": args.number, "prompt_tokens": args.prompt_tokens,
                            "output_tokens": args.output_tokens, "stream": not args.no_stream}
    if args.url:
        document["device"] = {"name": args.url, "kind": "server"}
    elif importlib.util.find_spec(args.engine) is None:
        document["error"] = {"kind": f"no-{args.engine}", "text": f"No module named {args.engine!r}"}
    try:
        if "error" not in document:
            document |= called(args) if args.url else served(args)
    except ServerFailed as error:
        document["error"] = {"kind": error.kind, "text": str(error)}
    except (OSError, ValueError) as error:
        document["error"] = {"kind": type(error).__name__, "text": str(error)}
    document["wall_s"] = round(time.perf_counter() - BEGUN, 3)
    print(json.dumps(document), flush=True)
    if "error" in document:
        return 4
    return int(not all(row["ok"] for row in document["checks"]))


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # threads that still wait for a dead server must not hold it up
