"""What stands between a command and the screen: width, colours only on a terminal, progress on stderr."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from agent.model.finding import CheckRun
    from agent.report.text import Line

_STYLE = {
    "fail": "bold red",
    "warn": "yellow",
    "unknown": "magenta",
    "pass": "green",
    "not-applicable": "dim",
    "title": "bold",
    "quiet": "dim",
}


def width() -> int:
    """Return the columns to wrap to: the terminal's (COLUMNS wins), 80 when there is none, at most 120."""
    import shutil

    return max(40, min(shutil.get_terminal_size((80, 24)).columns, 120))


def warn(text: str) -> None:
    """Say something on stderr that does not stop the command."""
    print(f"firstlight: {text}", file=sys.stderr)


def colourful(args: argparse.Namespace) -> bool:
    """Return whether stdout may have colours."""
    plain = args.no_color or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not plain


def show(lines: Iterable[Line], args: argparse.Namespace) -> None:
    """Print lines; in colour on a terminal, plain otherwise."""
    if not colourful(args):
        sys.stdout.writelines(f"{line.text}\n" for line in lines)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    for line in lines:
        console.print(Text(line.text, style=_STYLE.get(line.meaning, "")))


class Progress:
    """One line on stderr that says which check runs; silent where stderr is no terminal."""

    def __init__(self) -> None:
        self._lively = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._done = 0

    def on_start(self, check_id: str) -> None:
        """Show the check that begins."""
        self._write(f"{self._done} done, {check_id}")

    def on_done(self, run: CheckRun) -> None:
        """Count a check that ended."""
        self._done += 1

    def clear(self) -> None:
        """Take the line away."""
        self._write("")

    def _write(self, text: str) -> None:
        if self._lively:
            sys.stderr.write(f"\r\x1b[2K{text[: width() - 1]}")
            sys.stderr.flush()
