"""`firstlight plan`: say what apply would change; changes nothing."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from agent.cli import options

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    options.add_only(parser, "ROLE")
    options.add_profile(parser)
    options.add_output(parser)
    parser.add_argument("--allow-disruption", action="store_true",
                        help="plan as if what disturbs running containers or GPU work were allowed")


def run(args: argparse.Namespace) -> int:
    """Plan and show. Exit code 0 nothing to change, 1 changes, 2 something could not be seen, 3 an error."""
    from agent.app import App
    from agent.cli import provisioning
    from agent.cli.changes import render_plan

    roles = options.only(args)
    job = provisioning.make_job(App(profile=args.profile), roles, allow_disruption=args.allow_disruption)
    plan = provisioning.planned(job)
    command = provisioning.own_command("apply", *provisioning.chosen_words(args, roles))
    if args.output == "json":
        from agent.report.json import render_envelope

        sys.stdout.write(render_envelope(asdict(plan), command="plan", apply=command))
    else:
        sys.stdout.write(render_plan(plan, command))
    return provisioning.plan_code(plan)
