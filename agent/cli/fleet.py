"""`firstlight fleet`: status, check, drift and apply over the machines of an Ansible inventory."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from agent.cli import options
from agent.model.errors import UsageError
from agent.model.verdict import ExitCode

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from agent.fleet.answers import Answer
    from agent.fleet.runner import Fleet

ACTIONS = {
    "status": "who answers, and what its last check said",
    "check": "check them all",
    "drift": "what changed on each, and who differs from its like",
    "apply": "apply ring by ring; stops after a bad ring",
}
DEADLINE_S = {"status": 30, "check": 120, "drift": 120, "apply": 1800}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, meaning in ACTIONS.items():
        action = actions.add_parser(name, help=meaning)
        _add_machines(action, DEADLINE_S[name])
        options.add_output(action)
        if name in ("check", "drift"):
            action.add_argument("--to", metavar="DIR", help="keep each machine's answer as DIR/HOST.json")
        if name == "check":
            options.add_level(action)
        if name == "drift":
            action.add_argument(
                "--from", dest="source", metavar="DIR", help="read collected answers instead of asking"
            )
        if name == "apply":
            _add_rollout(action)


def _add_machines(action: argparse.ArgumentParser, deadline_s: int) -> None:
    action.add_argument(
        "-i", "--inventory", metavar="INVENTORY", help="an Ansible inventory: file, folder or `host,`"
    )
    action.add_argument(
        "--limit", action="append", default=[], metavar="HOST|GROUP", help="only these; comma separated"
    )
    action.add_argument(
        "--forks", type=int, default=50, metavar="COUNT", help="machines asked at once (50, the most)"
    )
    action.add_argument("--become", action="store_true", help="become root there, as Ansible does")
    action.add_argument(
        "--deadline",
        type=int,
        default=deadline_s,
        metavar="SECONDS",
        help=f"for one machine's answer ({deadline_s})",
    )


def _add_rollout(action: argparse.ArgumentParser) -> None:
    options.add_only(action, "ROLE")
    action.add_argument(
        "--rings", default="", metavar="SIZES", help="as Ansible's serial; default 1,10%%,50%%"
    )
    action.add_argument("--yes", action="store_true", help="do not ask; needed where there is no terminal")
    action.add_argument(
        "--allow-disruption",
        action="store_true",
        help="also do what disturbs running containers or GPU work",
    )


def run(args: argparse.Namespace) -> int:
    """Do one action. Exit code 0 all well, 1 something is wrong, 2 some could not be asked, 3 wrong usage."""
    from agent.cli import fleet_actions

    if args.action == "drift" and args.source:
        return fleet_actions.drift_from(args)
    return {
        "status": fleet_actions.status,
        "check": fleet_actions.check,
        "drift": fleet_actions.drift,
        "apply": fleet_actions.apply,
    }[args.action](args)


def fleet_of(args: argparse.Namespace) -> Fleet:
    """Return the machines that are meant. Raises UsageError."""
    from pathlib import Path

    from agent.fleet.runner import MAX_FORKS, Fleet, load_hosts

    if not args.inventory:
        raise UsageError(f"fleet {args.action}: which machines?", "name an Ansible inventory: -i FILE")
    if not 1 <= args.forks <= MAX_FORKS:
        raise UsageError(
            f"fleet: --forks {args.forks}: 1 to {MAX_FORKS}",
            "for more machines than one controller can ask, see docs/fleet.md",
        )
    if args.deadline < 1:
        raise UsageError(f"fleet: --deadline {args.deadline}: at least one second")
    inventory = args.inventory if args.inventory.endswith(",") else str(Path(args.inventory).absolute())
    limit = [word for each in args.limit for word in each.split(",") if word]
    return Fleet(inventory, load_hosts(inventory, limit), args.forks, args.become, args.deadline)


def code_of(answers: Sequence[Answer], *, wrong: bool) -> int:
    """Return 1 when something is wrong, 2 when some could not be asked, else 0."""
    from agent.fleet.answers import Reach

    if wrong:
        return ExitCode.FAILED
    return ExitCode.DEGRADED if any(each.reach is not Reach.ANSWERED for each in answers) else ExitCode.OK


def progress(answer: Answer) -> None:
    """Say on a terminal's stderr who has answered."""
    if sys.stderr.isatty():
        print(f"{answer.host}: {answer.problem or 'answered'}", file=sys.stderr)
