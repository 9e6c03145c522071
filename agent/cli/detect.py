"""`firstlight detect`: what this machine is, which profile fits and why."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from agent.cli import options, terminal

if TYPE_CHECKING:
    import argparse

    from agent.app import App
    from agent.config.profiles import Choice


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    options.add_profile(parser)
    options.add_machine(parser)
    options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Print the machine's card."""
    from agent.app import App
    from agent.model.errors import ProfileError

    app = App(capture=args.machine, profile=args.profile)
    choice, obstacle = None, None
    try:
        choice = app.choice
    except ProfileError as error:
        if args.profile is not None:
            raise
        obstacle = error
    if args.output == "json":
        from agent.report.json import render_envelope

        sys.stdout.write(render_envelope(_document(app, choice), command="detect"))
    else:
        from agent.report.card import card

        terminal.show(card(app.described, app.graphics, app.docker(), choice, terminal.width()), args)
    if obstacle is not None:
        raise obstacle
    return 0


def _document(app: App, choice: Choice | None) -> dict[str, Any]:
    from dataclasses import asdict

    from agent.report.graphics import plain_graphics
    from agent.report.shortages import find_shortages

    profile = None
    if choice is not None:
        profile = {
            "name": choice.loaded.profile.name,
            "digest": choice.loaded.digest,
            "reason": choice.reason,
            "files": [str(file) for file in choice.loaded.files],
            "candidates": [asdict(fit) for fit in choice.fits],
        }
    return {"hardware": asdict(app.described), "graphics": plain_graphics(app.graphics), "docker": app.docker(),
            "advice": find_shortages(app.hardware, app.graphics), "profile": profile}
