"""The state machine: from each stage to the next, saved before and after, so that any start goes on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn, Protocol

from agent.model.errors import FirstlightError, ProvisionError
from agent.model.plan import Outcome
from agent.up.state import FirstBoot, Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.model.plan import Run

ATTEMPTS = 8  # failed applies in a row, after which an unattended first boot shows what there is and tries slowly
SLOW_S = 3600  # from then on between two applies of one boot
REBOOTS = 2
SLOWLY = "tried again every hour and at the next boot; no more of it: sudo firstlight up --cancel"


class Rebooting(FirstlightError):
    """The machine goes down now; the unit goes on after the boot."""


class Waiting(FirstlightError):
    """A person has to do something first."""


class Deeds(Protocol):
    """What the stages do to the world."""

    unattended: bool

    def say(self, text: str) -> None:
        """Tell whoever looks on."""
        ...

    def boot_id(self) -> str:
        """Return the kernel's id of this boot."""
        ...

    def plan(self) -> None:
        """Show what the apply will change. Raises FirstlightError."""
        ...

    def apply(self) -> Run:
        """Apply the profile. Raises FirstlightError."""
        ...

    def reboot_wanted(self) -> bool:
        """Return whether the running kernel or driver is another than the one on disk."""
        ...

    def obstacles(self) -> tuple[str, ...]:
        """Return the reasons against a reboot now."""
        ...

    def may_reboot(self) -> bool:
        """Return whether a reboot was allowed, or is allowed now by the person who is asked."""
        ...

    def reboot(self) -> None:
        """Reboot. Raises ProvisionError."""
        ...

    def check(self) -> int | None:
        """Check, keep the report and return its number (None: it could not be kept)."""
        ...

    def smoke(self) -> None:
        """Run the smoke jobs."""
        ...

    def scorecard(self, state: FirstBoot) -> None:
        """Show how it ended: console, login message, history."""
        ...


def advance(state: FirstBoot, deeds: Deeds, save: Callable[[FirstBoot], None]) -> FirstBoot:
    """Go on until everything is done, and return the last state.

    Raises Rebooting, Waiting, KeyboardInterrupt or another FirstlightError; the next start goes on from what was saved.
    """
    while state.stage is not Stage.DONE:
        state = _STAGES[state.stage](state, deeds, save)
        save(state)
    return state


def _plan(state: FirstBoot, deeds: Deeds, save: Callable[[FirstBoot], None]) -> FirstBoot:
    deeds.say("looking what is to be changed")
    deeds.plan()
    return state.to(Stage.APPLY)


def _apply(state: FirstBoot, deeds: Deeds, save: Callable[[FirstBoot], None]) -> FirstBoot:
    save(replace(state, attempts=state.attempts + 1))  # counted first: a power cut is an attempt, too
    state = replace(state, attempts=state.attempts + 1)
    deeds.say("making the machine what its profile says")
    run = deeds.apply()
    if run.outcome is Outcome.CANCELLED:
        raise KeyboardInterrupt
    state = replace(state, changes=state.changes + len(run.changes), boot_id=deeds.boot_id())
    if run.outcome is Outcome.FAILED:
        _failed(state, run, deeds, save)
    state = replace(state, attempts=0, notes=())
    state = state.noted(*(f"{refusal.role} refused: {refusal.reason}" for refusal in run.refusals))
    if not (run.reboot_required or deeds.reboot_wanted()):
        return state.to(Stage.CHECK)
    if state.reboots >= REBOOTS:
        return state.noted(f"after {REBOOTS} reboots another one is wanted; see kernel.reboot-pending").to(Stage.CHECK)
    return state.to(Stage.REBOOT)


def _failed(state: FirstBoot, run: Run, deeds: Deeds, save: Callable[[FirstBoot], None]) -> NoReturn:
    """Leave, so that the next start tries again; after ATTEMPTS unattended failures once with a scorecard."""
    reason = " ".join(run.failure.split())
    save(state)
    if deeds.unattended and state.attempts >= ATTEMPTS and SLOWLY not in state.notes:
        noted = replace(state, notes=()).noted(f"the apply failed {state.attempts} times, at last: {reason}", SLOWLY)
        noted = replace(noted, check_report=deeds.check())
        deeds.smoke()
        deeds.scorecard(noted)
        save(noted)
    again = ("the next start tries again: firstlight-firstboot.service by itself, or sudo firstlight up"
             if deeds.unattended else "sudo firstlight up goes on from here")
    raise ProvisionError(f"the apply failed: {reason}", again)


def _reboot(state: FirstBoot, deeds: Deeds, save: Callable[[FirstBoot], None]) -> FirstBoot:
    now = deeds.boot_id()
    if now != state.boot_id:
        deeds.say("the machine has been rebooted; now what could not be done before it")
        return replace(state, boot_id=now, reboots=state.reboots + 1, attempts=0).to(Stage.APPLY)
    reasons = deeds.obstacles()
    if reasons:
        for reason in reasons:
            deeds.say(f"no reboot: {reason}")
        return state.noted(*(f"not rebooted: {reason}" for reason in reasons)).to(Stage.CHECK)
    if not deeds.may_reboot():
        raise Waiting("a reboot is needed now", "reboot when it suits you; the rest is then done by itself")
    save(state)
    deeds.say("rebooting; the rest is done by itself after the boot")
    deeds.reboot()
    raise Rebooting("the machine reboots now")


def _check(state: FirstBoot, deeds: Deeds, save: Callable[[FirstBoot], None]) -> FirstBoot:
    deeds.say("checking the machine")
    return replace(state, check_report=deeds.check()).to(Stage.SMOKE)


def _smoke(state: FirstBoot, deeds: Deeds, save: Callable[[FirstBoot], None]) -> FirstBoot:
    deeds.say("running the smoke jobs")
    deeds.smoke()
    return state.to(Stage.SCORECARD)


def _scorecard(state: FirstBoot, deeds: Deeds, save: Callable[[FirstBoot], None]) -> FirstBoot:
    deeds.scorecard(state)
    return state.to(Stage.DONE)


_STAGES = {Stage.PLAN: _plan, Stage.APPLY: _apply, Stage.REBOOT: _reboot, Stage.CHECK: _check, Stage.SMOKE: _smoke,
           Stage.SCORECARD: _scorecard}
