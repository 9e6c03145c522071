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
from tui.widgets.bars import WIDE
from tui.words import clock, lines

if TYPE_CHECKING:
    from textual.app import ComposeResult


class Drifts(Face):
    """Screen 6."""

    PLACE = "drift"
    COPIES = "#drift-detail"
    LIST = "#drifts"
    HELP = ("What differs from the profile, and from the baseline once somebody accepted one: what it was, what it is, "
            "when it became so and by what, as far as a log tells. f repairs what a role can repair; A accepts the "
            "machine as it is now, with a reason.")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "look", "Look again", id="drift.look"),
        Binding("f", "repair", "Fix", id="drift.fix", tooltip="plan what puts it right"),
        Binding("A", "accept", "Accept all", id="drift.accept", tooltip="make the machine as it is now its baseline",
                priority=True),
        Binding("enter", "enter_line", show=False, priority=True),
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
        """Look for the first time."""
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
        at, rows = table.cursor_row, [*map(_row, seen.drifts), *(_blind(name) for name, _ in seen.unseen)]
        widths = self._widths(max((len(row[1]) for row in rows), default=5))
        table.clear(columns=True)
        for name, width in widths.items():
            table.add_column(name, width=width)
        table.add_rows([shortened(cell, width) for cell, width in zip(row, widths.values(), strict=False)]
                       for row in rows)
        if rows:
            table.move_cursor(row=min(at, len(rows) - 1))
        count = f"{len(seen.drifts)} drifts" if seen.drifts else "✓ no drift in what was compared"
        blind = (f", {len(seen.unseen)} not compared", "$text-warning") if seen.unseen else ""
        base = f"baseline {visible(seen.baseline)}" if seen.baseline else self._without_baseline()
        self.query_one("#drift-head", Static).update(
            Content.assemble((count, "bold"), blind, f" at {clock(seen.taken)}; {base}"))
        self._show_detail()

    def on_resize(self) -> None:
        """Fit the columns to the new width."""
        self.call_after_refresh(self.take, "drift")

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
        if self.desk.obstacle or self.desk.capture is not None:
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

    def _widths(self, area: int) -> dict[str, int]:
        """Return the columns and their widths; when it changed stands below alone where there is little room."""
        wide = self.size.width >= WIDE
        rest = self.size.width - 11 - area - (18 if wide else 0) - 2 * 4
        share = {"what": rest // 2, "was": rest // 4, "is": rest // 4}
        return {"against": 8, "area": area, **share, **({"since": 16} if wide else {})}

    def _without_baseline(self) -> str:
        return f"no baseline yet; {self.desk.obstacle}" if self.desk.obstacle else "no baseline yet: A accepts one"

    def _show_detail(self) -> None:
        drift, seen = self._chosen(), self.state.drift
        if drift is None:
            at = self.query_one(DataTable).cursor_row - (len(seen.drifts) if seen is not None else 0)
            blind = seen.unseen[at] if seen is not None and 0 <= at < len(seen.unseen) else None
            told = lines([Content.styled(blind[0], "bold"), f"not compared: {visible(blind[1])}"]) if blind else ""
            self.query_one("#drift-detail", Static).update(told)
            return
        repair = f"role {drift.role} puts it right: f" if drift.role else "no role puts it right"
        parts: list[Content | str] = [
            Content.assemble((visible(drift.key), "bold"), (f"  {repair}", "$text-muted")), visible(drift.summary),
            Content.styled(f"- {visible(drift.before) or 'absent'}", "$text-error"),
            Content.styled(f"+ {visible(drift.after) or 'absent'}", "$text-success"),
            f"when: {_when(drift)}", f"by: {visible(drift.cause) or 'no log tells'}",
        ]
        self.query_one("#drift-detail", Static).update(lines(parts))


def _row(drift: Drift) -> tuple[str, ...]:
    return (drift.against, drift.area, drift.key, drift.before or "absent", drift.after or "absent", _since(drift))


def _blind(name: str) -> tuple[str, ...]:
    """Return the row of an area or a check that could not be compared."""
    area, key = ("check", name) if "." in name else (name, "")
    return ("?", area, key, "", "? not compared", "")


def _since(drift: Drift) -> str:
    return clock(drift.changed) if drift.changed is not None else "?"


def _when(drift: Drift) -> str:
    if drift.changed is not None:
        return time_text(drift.changed)
    return f"after {time_text(drift.earliest)}" if drift.earliest else "not known"
