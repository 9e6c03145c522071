"""`firstlight up`: the whole first boot in one command, which goes on by itself after a reboot."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from agent.cli import options, terminal

if TYPE_CHECKING:
    import argparse

    from agent.model.finding import Report
    from agent.systemd.rendering import Setting
    from agent.up.deeds import MachineDeeds
    from agent.up.state import FirstBoot, StateFile


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    from agent.cli.provisioning import add_permissions

    options.add_profile(parser)
    add_permissions(parser)
    parser.add_argument("--allow-reboot", action="store_true", help="reboot without asking when one is required")
    parser.add_argument("--at-boot", action="store_true", help="only prepare: firstlight-firstboot.service does it all")
    parser.add_argument("--resume", action="store_true", help="go on where it was interrupted; what the unit runs")
    parser.add_argument("--cancel", action="store_true", help="give up a first boot; what it made stays")
    parser.add_argument("--acknowledge", action="store_true", help="stop showing the scorecard at every login")


def run(args: argparse.Namespace) -> int:
    """Begin or go on. Exit code as `check`; 2 also when it waits for a person, 3 when it could not go on."""
    from agent.cli import provisioning
    from agent.provision.lock import held
    from agent.provision.places import places
    from agent.state.folder import state_folder
    from agent.up.state import StateFile

    if args.acknowledge:
        return _acknowledge()
    if args.cancel:
        _require_root("--cancel")
    elif not args.resume:
        args.yes = args.yes or args.at_boot
        provisioning.require_rights(args, provisioning.own_command("up", *_words(args)))
    file = StateFile(state_folder())
    if args.resume:
        _wait_slowly(file)
    with held(places().runtime / "up.lock", "a first boot"):
        if args.cancel:
            return _cancelled(file)
        state = _settled(args, file)
        return state if isinstance(state, int) else _carry_out(state, args, file)


def _settled(args: argparse.Namespace, file: StateFile) -> FirstBoot | int:
    """Return the first boot to carry out, or the exit code when there is none."""
    from agent.systemd import first_boot
    from agent.up.state import Stage

    state = file.find()
    if state is not None and state.stage is Stage.DONE:
        state = None
    if state is None and args.resume:
        first_boot.disable()
        file.remove()
        _say("there is no first boot to go on with")
        return 0
    if state is not None:
        state = _gone_on(state, args)
    if state is None:
        state = _begun(args)
    if state is None:
        return 1
    state = replace(state, starts=state.starts + (not args.at_boot))
    file.save(state)
    first_boot.enable(_setting())
    if args.at_boot:
        _say("prepared: firstlight-firstboot.service begins at the next boot; "
             "now: systemctl start --no-block firstlight-firstboot.service")
        return 0
    return state


def _carry_out(state: FirstBoot, args: argparse.Namespace, file: StateFile) -> int:
    from agent.model.errors import StateError
    from agent.systemd import first_boot
    from agent.up.message import render_waiting, write_message
    from agent.up.stages import Rebooting, Waiting, advance

    deeds = _deeds(state, args)
    try:
        state = advance(state, deeds, file.save)
    except Rebooting:
        return 0
    except Waiting as error:
        _say(f"{error.message}; {error.hint}")
        try:
            write_message(render_waiting(error.message, error.hint))
        except StateError as problem:
            _say(problem.message)
        return 2
    except KeyboardInterrupt:
        if args.resume:
            _say("stopped; the next boot goes on from here")
        else:
            first_boot.disable()
            _say("stopped; sudo firstlight up goes on from here")
        return 130
    first_boot.disable()
    file.remove()
    return deeds.code(state)


def _begun(args: argparse.Namespace) -> FirstBoot | None:
    """Show what the machine is and what would be done, ask once; None when the answer is no."""
    from agent.app import App
    from agent.cli import provisioning
    from agent.report.card import card
    from agent.up.deeds import current_boot
    from agent.up.state import FirstBoot, Stage

    profile = str(Path(args.profile).absolute()) if args.profile and Path(args.profile).is_file() else args.profile
    digest = ""
    if not args.at_boot:
        app = App(profile=profile)
        terminal.show(card(app.described, app.graphics, app.docker(), app.choice, terminal.width()), args)
        digest = app.resolved.digest
        if not args.yes:
            from agent.cli.changes import render_plan

            job = provisioning.make_job(app, (), allow_disruption=args.allow_disruption)
            plan = provisioning.planned(job)
            sys.stderr.write(render_plan(plan, provisioning.own_command("up", *_words(args))))
            if not _ask("Is this the right profile, and may all this be done? [y/N] "):
                return None
    begun = time.time()
    return FirstBoot(
        id=time.strftime("%Y%m%dT%H%M%SZ-up", time.gmtime(begun)), stage=Stage.PLAN if args.yes else Stage.APPLY,
        profile=profile, digest=digest, started=begun, boot_id=current_boot(), asked=not args.yes,
        allow_reboot=args.allow_reboot, allow_disruption=args.allow_disruption)


def _gone_on(state: FirstBoot, args: argparse.Namespace) -> FirstBoot | None:
    """Say where it goes on; None when another profile is meant now and has to be agreed to.

    Raises ProfileError, and UsageError when nobody is there to agree.
    """
    from agent.app import App
    from agent.model.errors import UsageError

    if args.profile is not None:
        _say("a profile is named, so the first boot begins anew")
        return None
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(state.started))
    _say(f"going on with the first boot of {when}: next is {state.stage.value} (start {state.starts + 1})")
    if state.digest and App(profile=state.profile).resolved.digest != state.digest:
        if not state.asked:
            _say("the profile has been changed since; it is taken as it is now")
        elif args.resume or args.yes:
            raise UsageError("the profile has been changed since somebody agreed to it",
                             "agree again: sudo firstlight up")
        else:
            _say("the profile has been changed since you agreed to it")
            return None
    return replace(state, allow_reboot=state.allow_reboot or args.allow_reboot,
                   allow_disruption=state.allow_disruption or args.allow_disruption)


def _deeds(state: FirstBoot, args: argparse.Namespace) -> MachineDeeds:
    from agent.app import App
    from agent.cli import provisioning
    from agent.cli.changes import render_plan
    from agent.up.deeds import MachineDeeds

    def show(reports: tuple[Report, ...], ended: FirstBoot) -> None:
        from agent.report.proven import proven_lines
        from agent.report.text import scorecard

        for report in reports:
            sys.stdout.write("\n")
            if report.runs and report.runs[0].check.startswith("smoke."):
                terminal.show(proven_lines(report, terminal.width()), args)
            terminal.show(scorecard(report, terminal.width()), args)
        sys.stdout.writelines(f"note: {note}\n" for note in ended.notes)
        sys.stdout.flush()

    return MachineDeeds(
        state, lambda: App(profile=state.profile), unattended=args.resume or args.yes, say=_say, ask=_ask, show=show,
        plan=lambda job: _say(render_plan(provisioning.planned(job), "firstlight up").rstrip()),
        apply=provisioning.applied)


def _acknowledge() -> int:
    from agent.up.message import remove_message

    _require_root("--acknowledge")
    _say("it is not shown any more" if remove_message() else "there was no login message of ours")
    return 0


def _require_root(option: str) -> None:
    from agent.model.errors import UsageError

    if os.geteuid() != 0:
        raise UsageError(f"{option} is root's to say", f"run: sudo firstlight up {option}")


def _wait_slowly(file: StateFile) -> None:
    """Wait most of an hour after too many failures in this boot; without the lock, so that a person can go on now."""
    from agent.systemd.rendering import RETRY_S
    from agent.up.deeds import current_boot
    from agent.up.stages import ATTEMPTS, SLOW_S

    state = file.find()
    if state is None or state.attempts < ATTEMPTS or state.boot_id != current_boot():
        return
    _say(f"the apply failed {state.attempts} times; the next try is in {SLOW_S // 60} minutes; "
         "now: sudo firstlight up; no more of it: sudo firstlight up --cancel")
    time.sleep(SLOW_S - RETRY_S)


def _cancelled(file: StateFile) -> int:
    from agent.systemd import first_boot
    from agent.up.message import remove_message

    begun = file.path.exists()
    first_boot.disable()
    file.remove()
    remove_message()
    _say("given up; what was made stays; sudo firstlight up begins anew" if begun else "there was no first boot")
    return 0


def _setting() -> Setting:
    from agent.state.folder import state_folder
    from agent.systemd.rendering import Setting, own_program

    return Setting(own_program(), state_folder())


def _words(args: argparse.Namespace) -> list[str]:
    words = ["--profile", args.profile] if args.profile else []
    return words + [f"--{name.replace('_', '-')}" for name in ("allow_reboot", "allow_disruption", "at_boot")
                    if getattr(args, name)]


def _ask(question: str) -> bool:
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _say(text: str) -> None:
    print(f"firstlight: {text}", file=sys.stderr, flush=True)
