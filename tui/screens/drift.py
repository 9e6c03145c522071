"""What is not as it was or should be: from, to, when, by what; accept it or repair it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import DataTable, Input, Static

from agent.model.drift import Drift, time_text
from agent.report.visible import shortened, visible
from tui.screens.face import Face
from tui.words import clock, lines

if TYPE_CHECKING:
    from textual.app import ComposeResult


class Drifts(Face):
    """Screen 6."""

    PLACE = "drift"
    COPIES = "#drift-detail"
    HELP = ("What differs from the profile, and from the baseline once somebody accepted one: what it was, what it is, "
            "when it became so and by what, as far as a log tells. f repairs what a role can repair; A accepts the "
            "machine as it is now, with a reason.")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "look", "Look again", id="drift.look"),
        Binding("f", "repair", "Fix", id="drift.fix", tooltip="plan what puts it right"),
        Binding("A", "accept", "Accept all", id="drift.accept", tooltip="make the machine as it is now its baseline",
                priority=True),
        Binding("escape", "leave", "List", show=False),
        Binding("j", "down", "Down", show=False), Binding("k", "up", "Up", show=False),
    ]

    def body(self) -> ComposeResult:
        """Yield head, list, detail and the line for a reason."""
        yield Static(id="drift-head")
        yield DataTable(id="drifts", cursor_type="row", zebra_stripes=True)
        with VerticalScroll(id="drift-box"):
            yield Static(id="drift-detail")
        yield Input(placeholder="why is the machine right as it is? Enter accepts, Esc leaves", id="reason",
                    compact=True)

    def on_mount(self) -> None:
        """Name the columns and look for the first time."""
        self.query_one(DataTable).add_columns("against", "area", "what", "was", "is", "since")
        self.query_one("#reason").display = False
        self.set_focus(self.query_one(DataTable))
        if self.state.drift is None:
            self.face.jobs.drift()

    def show(self, topic: str) -> None:
        """Draw the list."""
        seen = self.state.drift
        if topic not in ("all", "drift") or seen is None:
            return
        table = self.query_one(DataTable)
        at = table.cursor_row
        table.clear()
        table.add_rows((drift.against, drift.area, shortened(drift.key, 34), shortened(drift.before, 20) or "absent",
                        shortened(drift.after, 20) or "absent", _since(drift)) for drift in seen.drifts)
        if seen.drifts:
            table.move_cursor(row=min(at, len(seen.drifts) - 1))
        count = f"{len(seen.drifts)} drifts" if seen.drifts else "✓ no drift in what was compared"
        base = f"baseline {visible(seen.baseline)}" if seen.baseline else "no baseline yet: A accepts one"
        parts: list[Content | str] = [Content.assemble((count, "bold"), f" at {clock(seen.taken)}; {base}")]
        if seen.unseen:
            areas = ", ".join(area for area, _ in seen.unseen)
            parts.append(Content.styled(f"? not compared: {areas}", "$text-warning"))
        self.query_one("#drift-head", Static).update(lines(parts))
        self._show_detail()

    def on_data_table_row_highlighted(self) -> None:
        """Show the chosen drift."""
        self._show_detail()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Accept with the reason that was given."""
        reason = event.value.strip()
        self.action_leave()
        if reason:
            self.face.jobs.accept(reason)
        else:
            self.notify("not accepted: a reason is needed", severity="warning", timeout=4)

    def action_look(self) -> None:
        """Look again."""
        self.face.jobs.drift()

    def action_accept(self) -> None:
        """Ask for the reason."""
        if self.desk.capture is not None:
            self.notify(f"cannot accept: {self.desk.obstacle or 'this is a demo'}", severity="warning", timeout=4)
            return
        box = self.query_one("#reason", Input)
        box.display = True
        self.set_focus(box)  # at once: the keys behind this one are for it

    def action_leave(self) -> None:
        """Close the line for a reason."""
        box = self.query_one("#reason", Input)
        box.value = ""
        box.display = False
        self.set_focus(self.query_one(DataTable))

    def action_repair(self) -> None:
        """Plan the role that puts the chosen drift right."""
        drift = self._chosen()
        if drift is None:
            return
        if not drift.role:
            self.notify(f"{drift.key}: no role puts this right; put it back by hand or accept it", timeout=5)
            return
        self.face.plan_roles((drift.role,), (drift.key.split()[0],) if drift.area == "check" else ())

    def action_down(self) -> None:
        """Move on."""
        self.query_one(DataTable).action_cursor_down()

    def action_up(self) -> None:
        """Move back."""
        self.query_one(DataTable).action_cursor_up()

    def _chosen(self) -> Drift | None:
        drifts = self.state.drift.drifts if self.state.drift is not None else ()
        at = self.query_one(DataTable).cursor_row
        return drifts[at] if at < len(drifts) else None

    def _show_detail(self) -> None:
        drift, seen = self._chosen(), self.state.drift
        if drift is None:
            told = [f"{area}: {visible(why)}" for area, why in seen.unseen] if seen is not None else []
            self.query_one("#drift-detail", Static).update(lines(told))
            return
        repair = f"role {drift.role} puts it right: f" if drift.role else "no role puts it right"
        parts: list[Content | str] = [
            Content.assemble((visible(drift.key), "bold"), (f"  {repair}", "$text-muted")), visible(drift.summary),
            Content.styled(f"- {visible(drift.before) or 'absent'}", "$text-error"),
            Content.styled(f"+ {visible(drift.after) or 'absent'}", "$text-success"),
            f"when: {_when(drift)}", f"by: {visible(drift.cause) or 'no log tells'}",
        ]
        self.query_one("#drift-detail", Static).update(lines(parts))


def _since(drift: Drift) -> str:
    return clock(drift.changed) if drift.changed is not None else "?"


def _when(drift: Drift) -> str:
    if drift.changed is not None:
        return time_text(drift.changed)
    return f"after {time_text(drift.earliest)}" if drift.earliest else "not known"
