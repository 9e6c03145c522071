"""What a person reads about plans and runs."""

from __future__ import annotations

from agent.cli.changes import render_plan, render_run
from agent.model.plan import Change, Outcome, Plan, Refusal, Run

CHANGES = (
    Change("sysctl", "Set kernel parameters", "vm.swappiness", "60", "10"),
    Change("sysctl", "Set kernel parameters", "/etc/sysctl.d/60-firstlight.conf", "",
           "vm.swappiness = 10\nfs.nr_open = 2000000\n"),
    Change("docker", "Merge the profile into daemon.json", "/etc/docker/daemon.json",
           "{\n  a\n  b\n}", "{\n  a\n  c\n}"),
)

PLAN = """\
sysctl
  Set kernel parameters
    vm.swappiness: 60 → 10
    /etc/sysctl.d/60-firstlight.conf
      +vm.swappiness = 10
      +fs.nr_open = 2000000

docker
  Merge the profile into daemon.json
    /etc/docker/daemon.json
      -  b
      +  c

Refused
  data_disks: Prepare the disks: sdb is not blank
    it holds ext4

3 changes in 2 roles for profile cpu-only. To make them:
  sudo firstlight apply
"""


def test_a_plan_shows_changes_by_role_refusals_totals_and_the_command() -> None:
    refusal = Refusal("data_disks", "Prepare the disks", "sdb is not blank\nit holds ext4")
    plan = Plan("cpu-only", "d", ("sysctl", "docker"), CHANGES, (refusal,))
    assert render_plan(plan, "sudo firstlight apply") == PLAN


def test_an_empty_plan_says_so_only_when_everything_was_looked_at() -> None:
    empty = Plan("cpu-only", "d", ("sysctl",), ())
    assert render_plan(empty, "x") == "Nothing to change: this machine is what profile cpu-only says.\n"
    failed = Plan("cpu-only", "d", ("sysctl",), (), failure="swap: Make it: broke\nbase: Wait: broke")
    assert render_plan(failed, "x") == (
        "Could not be planned\n  swap: Make it: broke\n  base: Wait: broke\n\n"
        "No change was found in what could be looked at.\n")


def test_control_characters_from_the_machine_do_not_reach_the_terminal() -> None:
    plan = Plan("p", "d", (), (Change("base", "t", "/etc/\x1b[2Jx", "a\x1b", "b\nc\x07"),))
    assert "\x1b" not in render_plan(plan, "x")
    assert "\x07" not in render_plan(plan, "x")


def test_long_differences_are_cut_and_say_so() -> None:
    change = Change("base", "t", "/etc/x", "", "\n".join(map(str, range(40))))
    assert "… 28 more lines" in render_plan(Plan("p", "d", (), (change,)), "x")


def test_a_run_ends_with_its_outcome_and_the_reboot_it_needs() -> None:
    run = Run("1", "apply", "p", (), Outcome.CANCELLED, 10.0, 14.2, CHANGES[:1], reboot_required=True)
    assert render_run(run).splitlines()[-2:] == [
        "Cancelled: 1 change in 1 role, in 4 s.",
        "A reboot is required before everything is in force: sudo systemctl reboot"]


def test_what_a_role_has_to_say_is_shown_though_nothing_changes() -> None:
    note = "driver: the driver belongs to DGX OS 7.5.0: verified, not changed.\nTo update it: \x1b[2JDGX Dashboard"
    plan = Plan("dgx-spark", "d", ("driver",), (), notes=(note,))
    text = render_plan(plan, "x")
    assert text.startswith("To know\n  driver: the driver belongs to DGX OS 7.5.0: verified, not changed.\n    To up")
    assert "Nothing to change" in text
    assert "\x1b" not in text
    run = Run("1", "apply", "p", (), Outcome.DONE, 10.0, 14.2, (), notes=(note,))
    assert "To know\n  driver: " in render_run(run)
