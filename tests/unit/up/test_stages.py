from __future__ import annotations

import pytest

from agent.model.errors import ProvisionError
from agent.model.plan import Outcome
from agent.up.stages import ATTEMPTS, REBOOTS, SLOWLY, Rebooting, Waiting, advance
from agent.up.state import Stage
from tests.unit.up.world import REFUSAL, PowerCut, World, first_boot, run


def start(world: World) -> None:
    advance(world.saved, world, world.save)


def deeds(world: World) -> list[str]:
    return [name for name in world.done if name != "save"]


def until_done(world: World, starts: int = 20) -> None:
    for _ in range(starts):
        try:
            start(world)
        except (Rebooting, PowerCut, ProvisionError):
            continue
        return
    raise AssertionError(f"not done after {starts} starts: {world.saved}")


def test_without_a_reboot_it_is_one_start() -> None:
    world = World(applies=[run()])
    start(world)
    assert deeds(world) == ["plan", "apply", "check", "smoke", "scorecard"]
    assert world.saved.stage is Stage.DONE


def test_it_reboots_and_applies_once_more_before_it_checks() -> None:
    world = World()
    with pytest.raises(Rebooting):
        start(world)
    assert deeds(world) == ["plan", "apply", "reboot"]
    start(world)
    assert deeds(world)[3:] == ["apply", "check", "smoke", "scorecard"]
    assert world.saved.reboots == 1


def steps_of_a_whole_run() -> int:
    world = World()
    until_done(world)
    return world.steps


@pytest.mark.parametrize("cut", range(1, steps_of_a_whole_run() + 1))
def test_a_power_cut_before_any_step_is_made_good_by_the_next_starts(cut: int) -> None:
    world = World(cut_before=cut)
    until_done(world)
    assert world.saved.stage is Stage.DONE
    last = {name: number for number, name in enumerate(deeds(world))}
    order = [name for name in sorted(last, key=last.__getitem__) if name != "reboot"]
    assert order == ["plan", "apply", "check", "smoke", "scorecard"]
    assert world.boot > 1, "a power cut is as good as the reboot that was wanted"


def test_a_gate_that_is_shut_stops_the_reboot_and_the_scorecard_says_why() -> None:
    world = World(blocks=("kernel 6.2 has no initial ramdisk",))
    start(world)
    assert "reboot" not in deeds(world)
    assert world.saved.notes == ("not rebooted: kernel 6.2 has no initial ramdisk",)


def test_without_leave_to_reboot_it_waits_and_goes_on_after_somebody_did() -> None:
    world = World(allowed=False)
    with pytest.raises(Waiting):
        start(world)
    assert "check" not in deeds(world)
    world.boot += 1
    start(world)
    assert deeds(world)[-3:] == ["check", "smoke", "scorecard"]


def test_it_does_not_reboot_for_ever() -> None:
    world = World(applies=[run(reboot_required=True) for _ in range(10)])
    until_done(world)
    assert deeds(world).count("reboot") == REBOOTS
    assert any("another one is wanted" in note for note in world.saved.notes)


def test_a_failed_apply_is_tried_again_by_the_next_start_and_not_checked() -> None:
    world = World(applies=[run(Outcome.FAILED, failure="no network"), run()])
    with pytest.raises(ProvisionError, match="no network"):
        start(world)
    assert world.saved.stage is Stage.APPLY
    start(world)
    assert world.saved.notes == ()
    assert deeds(world).count("plan") == 1


def test_an_unattended_first_boot_shows_a_scorecard_after_many_failures_and_still_goes_on() -> None:
    failures = ATTEMPTS * 2 - 1
    world = World(applies=[*(run(Outcome.FAILED, failure="no network") for _ in range(failures)), run()])
    for _ in range(failures):
        with pytest.raises(ProvisionError, match="no network"):
            start(world)
        assert world.saved.stage is Stage.APPLY
    (notes,) = world.shown
    assert notes == (f"the apply failed {ATTEMPTS} times, at last: no network", SLOWLY)
    start(world)
    assert (world.saved.stage, world.saved.attempts, world.shown[1:]) == (Stage.DONE, 0, [()])


def test_a_power_cut_during_the_scorecard_of_failures_shows_it_at_the_next() -> None:
    world = World(saved=first_boot(stage=Stage.APPLY, attempts=ATTEMPTS - 1), cut_before=6,
                  applies=[run(Outcome.FAILED, failure="no network") for _ in range(9)])
    with pytest.raises(PowerCut):
        start(world)
    assert deeds(world) == ["apply", "check", "smoke"]
    for _ in range(2):
        with pytest.raises(ProvisionError):
            start(world)
    assert len(world.shown) == 1


def test_what_time_does_not_mend_ends_an_unattended_first_boot() -> None:
    world = World(applies=[run(Outcome.REFUSED, refusals=(REFUSAL,))])
    start(world)
    assert (world.saved.stage, deeds(world).count("apply")) == (Stage.DONE, 1)


def test_a_person_is_never_given_up_on() -> None:
    world = World(applies=[run(Outcome.FAILED, failure="no network") for _ in range(99)], unattended=False)
    for _ in range(ATTEMPTS + 3):
        with pytest.raises(ProvisionError):
            start(world)
    assert world.saved.stage is Stage.APPLY


def test_a_cancelled_apply_is_an_interrupt_and_the_stage_stays() -> None:
    world = World(applies=[run(Outcome.CANCELLED)])
    with pytest.raises(KeyboardInterrupt):
        start(world)
    assert world.saved.stage is Stage.APPLY


def test_what_roles_refused_stands_in_the_notes_until_an_apply_without_it() -> None:
    world = World(applies=[run(Outcome.REFUSED, refusals=(REFUSAL,))])
    start(world)
    assert world.saved.notes == ("data_disks refused: the disk is not blank",)
    again = World(saved=first_boot(stage=Stage.APPLY, notes=("old",)), applies=[run()])
    start(again)
    assert again.saved.notes == ()


def test_a_kernel_that_a_killed_apply_left_behind_is_booted_all_the_same() -> None:
    world = World(applies=[run()])
    world.reboot_wanted = lambda: world.boot == 1  # type: ignore[method-assign]
    until_done(world)
    assert deeds(world).count("reboot") == 1
