"""The entry point: finds the command, runs it, turns every ending into an exit code and a plain sentence.

Nothing heavy is imported here: `firstlight --help` costs what a bare interpreter costs, and a command's module
is loaded only when that command is asked for.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from itertools import pairwise
from typing import TYPE_CHECKING

from agent import __version__
from agent.model.errors import FirstlightError, UsageError
from agent.model.verdict import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType, TracebackType

COMMANDS = (
    ("tui", "look at this machine, explain and repair it, in the terminal"),
    ("detect", "say what this machine is, which profile fits and why"),
    ("plan", "say what apply would change; changes nothing"),
    ("apply", "make the machine what its profile says"),
    ("up", "first boot in one command, with reboot, up to the scorecard"),
    ("check", "look whether the machine is what its profile says"),
    ("smoke", "run the jobs that prove the machine can work"),
    ("fit", "say whether a model fits here, and what would make it fit"),
    ("drift", "say what changed here: from what to what, when, by what"),
    ("fleet", "status, check, drift and apply over many machines by SSH"),
    ("fix", "plan, then apply, only what repairs the named checks"),
    ("explain", "say what a check, a Xid or an error means, and what repairs it"),
    ("matrix", "say which driver, CUDA, framework and image go with which card"),
    ("images", "list, verify, pull or clean container images"),
    ("profile", "list, show, validate, describe or write profiles"),
    ("report", "list, show or compare earlier reports"),
    ("serve", "serve Prometheus metrics, on loopback unless told otherwise"),
    ("systemd", "install, show or remove the timers that keep looking"),
    ("capture", "record this machine in a file, to be looked at elsewhere"),
    ("doctor", "look whether Firstlight itself is in working order"),
)
ANYWHERE = ("--debug", "--no-color")
EXIT_INTERRUPTED, EXIT_PIPE_CLOSED = 130, 141
GARBAGE_EVERY = 50_000  # objects; Python's own 700 has a start of 30,000 objects looked through sixty times


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # to look for plugins costs a start 30 ms
    debug = "--debug" in words
    as_json = _asks_for_json(words)
    if argv is not None:
        return _run(words, as_json=as_json, debug=debug)
    if not debug:
        sys.excepthook = _excuse
    gc.set_threshold(GARBAGE_EVERY)
    try:
        return _run(words, as_json=as_json, debug=debug)
    finally:
        gc.freeze()  # the process ends: what it held is not searched for garbage once more, a sixth of a short command


def _run(words: list[str], *, as_json: bool, debug: bool) -> int:
    try:
        code = _dispatch(words)
        sys.stdout.flush()
    except FirstlightError as error:
        return _complain(error, as_json=as_json, debug=debug)
    except KeyboardInterrupt:
        print("firstlight: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_PIPE_CLOSED
    return code


def _dispatch(words: list[str]) -> int:
    front = [word for word in words if word in ANYWHERE]
    rest = [word for word in words if word not in ANYWHERE]
    if not rest or rest[0] in ("-h", "--help", "help"):
        sys.stdout.write(help_text())
        return ExitCode.OK if rest else ExitCode.ERROR
    if rest[0] in ("-V", "--version"):
        sys.stdout.write(f"firstlight {__version__}\n")
        return ExitCode.OK
    module = _load(rest[0])
    from agent.cli.options import Parser

    summary = dict(COMMANDS)[rest[0]]
    parser = Parser(prog=f"firstlight {rest[0]}", description=f"{summary[:1].upper()}{summary[1:]}.")
    for option, meaning in zip(ANYWHERE, ("show the traceback of an error", "no colours"), strict=True):
        parser.add_argument(option, action="store_true", help=meaning)
    module.add_arguments(parser)
    return int(module.run(parser.parse_args(front + rest[1:])))


def _load(name: str) -> ModuleType:
    """Import the module of a command. Raises UsageError with the nearest names."""
    if name in dict(COMMANDS):
        return importlib.import_module(f"agent.cli.{name}")
    if name.startswith("-"):
        raise UsageError(f"{name}: no such option before the command", "see: firstlight --help")
    from difflib import get_close_matches

    near = get_close_matches(name, dict(COMMANDS), n=2, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "see: firstlight --help"
    raise UsageError(f"{name}: no such command", hint)


def help_text() -> str:
    """Return the whole help page."""
    width = max(len(name) for name, _ in COMMANDS)
    lines = [
        "usage: firstlight COMMAND [OPTION …]",
        "",
        "Takes an NVIDIA workstation from first boot to first proven job, and keeps it there.",
        "",
        *(f"  {name:{width}}  {summary}" for name, summary in COMMANDS),
        "",
        "  firstlight COMMAND --help says more; --debug shows tracebacks, --no-color no colours.",
        "",
        "exit codes: 0 all pass; 1 something failed, or a plan has changes; 2 warnings or unknown;",
        "            3 wrong usage or an error of our own",
    ]
    return "\n".join(lines) + "\n"


def _asks_for_json(words: Sequence[str]) -> bool:
    """Return whether the caller wants JSON, told before the options are parsed: errors are JSON then too."""
    if any(word in ("-ojson", "--output=json") for word in words):
        return True
    return any(word in ("-o", "--output") and value == "json" for word, value in pairwise(words))


def _complain(error: FirstlightError, *, as_json: bool, debug: bool) -> int:
    """Say an error on stderr (and as an envelope on stdout for `-o json`); return exit code 3."""
    if debug:
        import traceback

        traceback.print_exception(error)
    if as_json:
        from agent.report.json import render_error

        sys.stdout.write(render_error(error))
    print(f"firstlight: {error.message}", file=sys.stderr)
    if error.hint:
        print(f"  {error.hint}", file=sys.stderr)
    return ExitCode.ERROR


def _excuse(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Say an error we did not foresee in one line; exit code 3. Installed as sys.excepthook."""
    frame = trace
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    where = f" at {frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame else ""
    print(f"firstlight: unforeseen {kind.__name__}: {error}{where}", file=sys.stderr)
    print(
        "  this is a fault of Firstlight; the same command with --debug shows the traceback",
        file=sys.stderr,
    )
    raise SystemExit(ExitCode.ERROR)
