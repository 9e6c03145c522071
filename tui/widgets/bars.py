"""The first and the last line of every screen: where we are, and what goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.widgets import Static

from agent.report.visible import visible
from tui.words import bar

if TYPE_CHECKING:
    from textual.events import Click

    from agent.desk.desk import Desk
    from tui.state import State

PLACES = (("overview", "Overview"), ("checks", "Checks"), ("provision", "Provision"), ("history", "History"),
          ("gpu", "GPU"), ("drift", "Drift"), ("smoke", "Smoke"), ("fleet", "Fleet"))
WIDE = 110


class Topbar(Static):
    """The machine, the screens and which of them is shown (in brackets); a click on one shows it."""

    ends: tuple[tuple[int, str], ...] = ()  # column behind each screen's name

    def show(self, state: State, desk: Desk, here: str) -> None:
        """Draw it anew."""
        look = state.look
        name = visible(look.hostname) if look is not None else "…"
        tabs: list[str | tuple[str, str]] = []
        wide = self.app.size.width >= WIDE
        for number, (place, title) in enumerate(PLACES, 1):
            other = f" {number} {title} " if wide else f"{number} {title} "
            tabs.append((f"[{number} {title}]" + " " * (not wide), "$text-primary bold") if place == here else other)
        tag = [(" DEMO ", "$text-warning reverse")] if desk.demo else []
        head = Content.assemble(("Firstlight ", "bold"), *tag, (f"{name} ", "$text-accent")) if wide else (
            Content.assemble(*tag))
        at, ends = head.cell_length, []
        for tab, (place, _) in zip(tabs, PLACES, strict=True):
            at += len(tab if isinstance(tab, str) else tab[0])
            ends.append((at, place))
        self.ends = (head.cell_length, ""), *ends
        self.update(Content.assemble(head, *tabs))

    def on_click(self, event: Click) -> None:
        """Show the screen whose name was clicked."""
        place = next((place for end, place in self.ends if event.x < end), "")
        if place:
            self.app.switch_mode(place)


class Statusbar(Static):
    """What runs now, else the last notice, else what may not be done here."""

    def show(self, state: State, desk: Desk) -> None:
        """Draw it anew."""
        text = self._text(state, desk)
        if self.app.size.width < WIDE and state.look is not None:
            text = Content.assemble((f"{visible(state.look.hostname)}  ", "$text-accent"), text)
        self.update(text)

    @staticmethod
    def _text(state: State, desk: Desk) -> Content:
        run, work = state.run, state.work
        if run is not None and run.alive and run.run is None:
            return Content.assemble(("apply runs ", "$text-warning bold"), f"{bar(run.share, 10)} ",
                                    f"{run.role}: {visible(run.far or run.task)}", ("  l: look at it", "$text-muted"))
        if work is not None:
            count = f"{work.done}/{work.total} " if work.total else ""
            drawn = bar(work.done / work.total, 10) + " " if work.total else ""
            return Content.assemble((f"{work.title} ", "$text-accent"), drawn, count, (work.now, "$text-muted"))
        if state.notice:
            return Content(visible(state.notice))
        return Content.styled(f"look only: {desk.obstacle}" if desk.obstacle else "", "$text-muted")
