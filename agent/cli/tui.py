"""`firstlight tui`: look at this machine, explain and repair it, in the terminal."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from agent.cli import options

if TYPE_CHECKING:
    import argparse

WEB_DRIVER = "TEXTUAL_DRIVER"  # set by textual-serve, which has pipes where a terminal would be


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    options.add_profile(parser)
    options.add_machine(parser)
    parser.add_argument("--demo", nargs="?", const="", metavar="NAME",
                        help="a machine that ships with Firstlight: server (8 GPUs) or spark (unified memory)")
    parser.add_argument("--fleet", metavar="DIR|INVENTORY",
                        help="the machines of screen 8: a folder of collected reports, or an Ansible inventory")
    parser.add_argument("--web", nargs="?", const=8000, type=int, metavar="PORT",
                        help="serve the same screens to a browser on 127.0.0.1 (needs textual-serve)")


def run(args: argparse.Namespace) -> int:
    """Show the interface until it is left. Exit code 0, or 3 without a terminal."""
    from agent.model.errors import UsageError

    if args.demo is not None and args.machine is not None:
        raise UsageError("tui: --demo and --machine exclude each other", "leave one out")
    if args.web is not None:
        from tui.web import serve

        serve(args.web, _words(args))
        return 0
    if not (sys.stdin.isatty() and sys.stdout.isatty()) and WEB_DRIVER not in os.environ:
        raise UsageError("tui: there is no terminal to draw on", "firstlight check says the same as text")
    from tui.app import FirstlightApp
    from tui.demo import open_desk

    desk = open_desk(capture=args.machine, profile=args.profile, demo=args.demo)
    desk.fleet_source = args.fleet or desk.fleet_source
    app = FirstlightApp(desk)
    app.run()
    return app.return_code or 0


def _words(args: argparse.Namespace) -> list[str]:
    """Return this call's words without --web, for the process that each browser tab gets."""
    words = ["tui"]
    for option in ("profile", "machine", "demo", "fleet"):
        value = getattr(args, option)
        if value is not None:
            words += [f"--{option}", value] if value else [f"--{option}"]
    return words
