"""`firstlight apply`: make the machine what its profile says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.cli import options

if TYPE_CHECKING:
    import argparse

    from agent.model.plan import Run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    from agent.cli.provisioning import add_permissions

    options.add_only(parser, "ROLE")
    options.add_profile(parser)
    options.add_output(parser)
    add_permissions(parser)
    parser.add_argument("--allow-reboot", action="store_true", help="reboot at the end when one is required")


def run(args: argparse.Namespace) -> int:
    """Plan and ask (not with --yes), apply, show. Exit code 0 done, 1 failed or refused, 130 cancelled."""
    from agent.app import App
    from agent.cli import provisioning

    roles = options.only(args)
    command = provisioning.own_command("apply", *provisioning.chosen_words(args, roles))
    app = App(profile=args.profile)
    job = provisioning.make_job(app, roles, allow_disruption=args.allow_disruption)
    provisioning.require_rights(args, command)
    plan, go_on = provisioning.agreed(job, args, command)
    if plan is not None and not go_on:
        return provisioning.plan_code(plan)
    done = provisioning.applied(app, job)
    provisioning.show_run(done, args)
    if args.allow_reboot:
        _reboot_if_required(done, allow_disruption=args.allow_disruption)
    return provisioning.run_code(done)


def _reboot_if_required(done: Run, *, allow_disruption: bool) -> None:
    from agent.cli import terminal
    from agent.model.plan import Outcome
    from agent.provision.reboot import gpu_users, reboot

    if not done.reboot_required or done.outcome is not Outcome.DONE:
        return
    users = () if allow_disruption else gpu_users()
    if users:
        terminal.warn(f"no reboot while {', '.join(users)} use the GPU; --allow-disruption reboots anyway")
    else:
        terminal.warn("rebooting now")
        reboot()
