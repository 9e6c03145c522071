"""`firstlight doctor`: look whether Firstlight itself is in working order."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from agent.cli import options

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Print one line per fact; exit code 1 when something does not work, 2 when something is doubtful."""
    from dataclasses import asdict

    from agent.cli.environment import facts
    from agent.model.verdict import Verdict, exit_code
    from agent.report.words import LABEL, SYMBOL

    found = facts()
    if args.output == "json":
        from agent.report.json import render_envelope

        sys.stdout.write(render_envelope([asdict(fact) for fact in found], command="doctor"))
    else:
        for fact in found:
            word = "ok" if fact.verdict is Verdict.PASS else LABEL[fact.verdict]
            sys.stdout.write(f"{SYMBOL[fact.verdict]} {word:8}{fact.name}: {fact.seen}\n")
            if fact.to_do:
                sys.stdout.write(f"{'':10}to do: {fact.to_do}\n")
    return exit_code(fact.verdict for fact in found)
