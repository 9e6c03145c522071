"""`firstlight systemd`: install, show and remove the units and timers that keep looking."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from agent.cli import options, terminal
from agent.cli.drift import code_of as drift_code

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from agent.app import App
    from agent.systemd.installation import Outcome

# Not 1 or 2: a unit with SuccessExitStatus=1 2 takes them for success of its ExecCondition, too.
BUSY = 75
ACTIONS = {
    "install": "write, verify and start the units; a second time changes nothing",
    "status": "show the timers, their last results and the last reports",
    "remove": "stop the units and leave nothing of them behind",
    "look": "what a timer runs: check, or look for drift; keep what was found, tell the journal",
    "idle": f"whether no GPU is at work: exit code 0, else {BUSY}",
}
DRIFT = "drift"
LISTEN = "127.0.0.1:9836"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("action", choices=ACTIONS, metavar="ACTION",
                        help="; ".join(f"{name}: {meaning}" for name, meaning in ACTIONS.items()))
    parser.add_argument("level", nargs="?", choices=(*options.LEVELS, DRIFT), default="quick", metavar="LEVEL",
                        help="of look: quick, standard, deep or drift")
    parser.add_argument("--listen", metavar="HOST:PORT", default=LISTEN,
                        help=f"where the exporter listens ({LISTEN}: this machine alone)")
    parser.add_argument("--allow-disruption", action="store_true", help="reload systemd while a GPU is at work")
    options.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Do one of the actions."""
    return {"install": _install, "status": _status, "remove": _remove, "look": _look, "idle": _idle}[args.action](args)


def _install(args: argparse.Namespace) -> int:
    from agent.cli.main import COMMANDS
    from agent.state.folder import state_folder
    from agent.systemd.installation import install, require_systemd
    from agent.systemd.rendering import Setting, own_program, render_units

    require_systemd()
    setting = Setting(own_program(), state_folder(), args.listen)
    units = render_units(setting, dict(COMMANDS))
    return _show(install(units, setting.state, setting.program, allow_disruption=args.allow_disruption), args)


def _remove(args: argparse.Namespace) -> int:
    from agent.state.folder import state_folder
    from agent.systemd.installation import remove, require_systemd

    require_systemd()
    return _show(remove(state_folder(), allow_disruption=args.allow_disruption), args)


def _show(done: Outcome, args: argparse.Namespace) -> int:
    if args.output == "json":
        from agent.report.json import render_envelope

        sys.stdout.write(render_envelope(asdict(done), command=f"systemd {args.action}"))
        return 0
    for what, names in (("written", done.written), ("removed", done.removed), ("left", done.left)):
        sys.stdout.writelines(f"{what:8} {name}\n" for name in names)
    if not (done.written or done.removed):
        sys.stdout.write("nothing to do\n")
    elif args.action == "install":
        sys.stdout.write("The timers run. See: firstlight systemd status\n")
    return 0


def _status(args: argparse.Namespace) -> int:
    from agent.app import App
    from agent.systemd.installation import ours
    from agent.systemd.status import observe_status, render_status

    names = ours()
    units = observe_status(App().machine, names)
    results = _last_results()
    if args.output == "json":
        from agent.report.json import render_envelope

        data = {"units": [asdict(unit) for unit in units],
                "reports": [{"level": level, "finished": at, "tally": tally} for level, at, tally in results]}
        sys.stdout.write(render_envelope(data, command="systemd status"))
    elif not names:
        sys.stdout.write("No units of Firstlight are installed. Install them: sudo firstlight systemd install\n")
    else:
        sys.stdout.write(render_status(units, results))
    return 0


def _last_results() -> list[tuple[str, float, str]]:
    """Return level, time and tally of the newest report of each level; nothing where there is no history."""
    from agent.model.errors import StateError
    from agent.state.folder import state_folder
    from agent.state.history import History

    if not (state_folder() / "history.sqlite").exists():
        return []
    try:
        with History(state_folder()) as history:
            newest = {entry.level: entry for entry in reversed(history.entries(200, "check"))}
    except StateError as error:
        terminal.warn(error.message)
        return []
    return [(level, newest[level].finished, newest[level].summary) for level in options.LEVELS if level in newest]


def _look(args: argparse.Namespace) -> int:
    from agent.app import App

    return _look_for_drift(App()) if args.level == DRIFT else _look_by_checks(App(), args.level)


def _look_by_checks(app: App, level: str) -> int:
    from agent.model.verdict import exit_code
    from agent.report.words import tally
    from agent.systemd import journal

    report = app.check(level=level)
    app.keep(report, terminal.warn)
    _tell(journal.report_lines(report, tally(report)))
    return exit_code(finding.verdict for finding in report.findings)


def _look_for_drift(app: App) -> int:
    from agent.systemd import journal
    from agent.watch import BASELINE, PROFILE

    report = app.drift.look(against=(PROFILE, BASELINE), warn=terminal.warn)
    app.tell_exporter(terminal.warn)
    _tell(journal.drift_lines(report))
    return drift_code(report)


def _tell(lines: Iterable[dict[str, str]]) -> None:
    """Write the lines to the journal; to stderr where there is none."""
    from agent.systemd import journal

    for fields in lines:
        if not journal.send(fields):
            print(fields["MESSAGE"], file=sys.stderr)


def _idle(args: argparse.Namespace) -> int:
    from agent.provision.reboot import gpu_users

    users = gpu_users()
    if users:
        print(f"a GPU is at work: {', '.join(users)}")
    return BUSY if users else 0
