"""The options several commands share, each declared once."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from agent.model.errors import UsageError

LEVELS = ("quick", "standard", "deep")
FORMATS = ("text", "json", "junit", "nagios", "markdown")


class HelpPage(argparse.HelpFormatter):
    """A help page that looks the same whatever Python prints it: `-o, --output FORMAT`."""

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        default = self._get_default_metavar_for_optional(action)
        return f"{', '.join(action.option_strings)} {self._format_args(action, default)}"


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are ours: one line, a hint, exit code 3."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"formatter_class": HelpPage, "allow_abbrev": False, **settings})

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            from difflib import get_close_matches

            near = get_close_matches(str(value), [str(choice) for choice in action.choices], n=1, cutoff=0.5)
            advice = f"did you mean {near[0]}?" if near else f"choose from {', '.join(map(str, action.choices))}"
            raise argparse.ArgumentError(action, f"{value!r} is not known; {advice}")

    def error(self, message: str) -> NoReturn:
        """Raise UsageError instead of leaving with exit code 2, which means "degraded" here."""
        raise UsageError(f"{self.prog.removeprefix('firstlight ')}: {message}", f"see: {self.prog} --help")


def add_output(parser: argparse.ArgumentParser, *formats: str) -> None:
    """Add `-o/--output`; `text` and `json` unless formats are given. Lands in `args.output`."""
    choices = formats or FORMATS[:2]
    parser.add_argument(
        "-o",
        "--output",
        choices=choices,
        default="text",
        metavar="FORMAT",
        help=f"{', '.join(choices)} (default: text)",
    )


def add_machine(parser: argparse.ArgumentParser) -> None:
    """Add `--machine CAPTURE`: look at a recorded machine. Lands in `args.machine` (None = this one)."""
    parser.add_argument(
        "--machine", metavar="CAPTURE", help="look at a machine recorded by `firstlight capture`"
    )


def add_profile(parser: argparse.ArgumentParser) -> None:
    """Add `--profile NAME|FILE`. Lands in `args.profile` (None = the one that fits)."""
    parser.add_argument(
        "--profile",
        metavar="NAME|FILE",
        help="use this profile (default: the site's choice, else the one that fits)",
    )


def add_only(parser: argparse.ArgumentParser, what: str) -> None:
    """Add `--only A,B`, which may be repeated. Lands in `args.only`; read it with `only(args)`."""
    parser.add_argument(
        "--only", metavar=what, action="append", default=[], help="limit to these; comma separated"
    )


def add_level(parser: argparse.ArgumentParser) -> None:
    """Add `--level`. Lands in `args.level`."""
    parser.add_argument(
        "--level",
        choices=LEVELS,
        default="quick",
        help="quick < 1 s a check; standard some seconds; deep loads the machine",
    )


def only(args: argparse.Namespace) -> tuple[str, ...]:
    """Return the words given to `--only`, split at commas, in order, without doubles."""
    words = (word.strip() for given in args.only for word in given.split(","))
    return tuple(dict.fromkeys(word for word in words if word))
