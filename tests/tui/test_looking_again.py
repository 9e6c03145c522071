"""After an apply the checks are looked at again, however it ended and whoever began it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from agent.desk.runs import Follower, RunView
from agent.model.plan import Outcome, Run
from tests.tui.driving import Remembering, leave, settled, until
from tui.app import FirstlightApp
from tui.state import State
from tui.widgets.bars import Statusbar

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.timeout(900)
SYSCTL = ["kernel.sysctl", "kernel.sysctl-boot"]


class Ended(Follower):
    """A run that ended as it is told; one of None was interrupted."""

    def __init__(self, roles: Sequence[str], outcome: Outcome | None) -> None:
        self.pid, self._roles, self._outcome = 0, tuple(roles), outcome

    def look(self) -> RunView:
        """Return its end."""
        run = Run("1", "apply", "demo", self._roles, self._outcome, 1.0, 2.0, ()) if self._outcome else None
        return RunView("1", alive=False, roles=self._roles, run=run)


class Ending(Remembering):
    """The demo machine whose applies end as it is told; one runs at the beginning when `begun` says so."""

    outcome: Outcome | None = Outcome.DONE
    begun: Follower | None = None

    def apply(self, roles: Sequence[str]) -> Follower:
        """End at once."""
        return Ended(roles, self.outcome)

    def active(self) -> Follower | None:
        """Return what was begun."""
        return self.begun


def looked_at(desk: Ending, roles: Sequence[str] = (), checks: Sequence[str] = ()) -> tuple[str, list[str], str]:
    """Return level, checks and topic of the look after an apply (of `desk.begun` when there is one)."""
    asked: list[tuple[str, list[str], str]] = []

    async def run() -> None:
        app = FirstlightApp(desk)
        begun, desk.begun = desk.begun, None
        async with app.run_test(size=(80, 24)) as pilot:
            await settled(pilot)
            app.jobs.check = (  # type: ignore[method-assign]
                lambda level, only=(), *, keep=True, topic="report": asked.append((level, list(only), topic)))
            desk.begun = begun
            if begun is not None:
                app.jobs.begin()
                asked.clear()
            else:
                app.start_apply(roles, checks)
            await until(pilot, lambda: asked, seconds=30)
            await leave(pilot)

    asyncio.run(run())
    (found,) = asked
    return found


@pytest.mark.parametrize("outcome", [*(each for each in Outcome if each is not Outcome.RUNNING), None])
def test_what_was_to_be_fixed_is_looked_at_again_however_the_apply_ended(outcome: Outcome | None) -> None:
    desk = Ending("server")
    desk.outcome = outcome
    assert looked_at(desk, ("sysctl",), ("kernel.sysctl",)) == ("deep", ["kernel.sysctl"], "rechecked")


def test_an_apply_found_running_is_followed_by_a_look_at_what_its_roles_keep() -> None:
    desk = Ending("server")
    desk.begun = Ended(("sysctl",), Outcome.FAILED)
    level, only, topic = looked_at(desk)
    assert (level, topic) == ("standard", "report")
    assert set(SYSCTL) <= set(only)
    assert "container.daemon-json" not in only


def test_after_an_apply_of_everything_everything_is_looked_at_as_before() -> None:
    desk = Ending("server")
    everything = desk.look().roles
    desk.outcome = Outcome.REFUSED
    assert looked_at(desk, everything) == ("quick", [], "report")


def test_the_last_line_says_how_far_a_pull_is() -> None:
    desk = Ending("server")
    run = RunView("1", roles=("docker", "images"), role="images", task="Pull the images that the profile wants")
    assert "images: Pull the images" in Statusbar._text(State(run=run), desk).plain
    run = replace(run, far="quay.io/a/b:1: 600.0 MB of 1.5 GB")
    assert "images: quay.io/a/b:1: 600.0 MB of 1.5 GB" in Statusbar._text(State(run=run), desk).plain
