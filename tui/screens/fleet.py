"""Many machines: the cohorts, who differs from its like, who does not answer. It shows; agent/fleet compares."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import DataTable, Input, Static

from agent.report.visible import shortened
from tui.screens.face import Face
from tui.widgets.bars import WIDE
from tui.widgets.odd import FleetLine, fleet_lines, render_head, render_line
from tui.words import STYLE, lines

if TYPE_CHECKING:
    from textual.app import ComposeResult

MOST = 1000  # lines that are drawn; a search finds the others
EMPTY = """No fleet is named yet. o names one:

  a folder of reports that were collected with    firstlight fleet drift -i hosts.yml --to DIR
  or an Ansible inventory, whose machines are then asked over SSH; nothing is changed on them

or start with it:    firstlight tui --fleet DIR|INVENTORY"""


class Fleet(Face):
    """Screen 8."""

    PLACE = "fleet"
    COPIES = "#fleet-detail"
    LIST = "#fleet"
    HELP = ("Machines of one profile on one system are a cohort. The odd ones out stand first, with each fact that is "
            "otherwise on more than half of their cohort; then machines that did not answer or drifted; then the "
            "cohorts. / narrows by any words, also to machines that are well; o names another fleet, r looks again.")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "Search", id="fleet.search", tooltip="narrow the list by any words", priority=True),
        Binding("o", "ask", "Open", id="fleet.open", tooltip="name an inventory or a folder of reports", priority=True),
        Binding("r", "look", "Look again", id="fleet.look"),
        Binding("enter", "enter_line", show=False, priority=True),
        Binding("escape", "leave", "List", show=False),
        Binding("j", "down", "Down", show=False), Binding("k", "up", "Up", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._shown: list[FleetLine] = []

    def body(self) -> ComposeResult:
        """Yield head, search, list and detail."""
        yield Static(id="fleet-head")
        yield Input(placeholder="words; all must occur", id="search", compact=True)
        yield DataTable(id="fleet", cursor_type="row", zebra_stripes=True)
        with VerticalScroll(id="fleet-box"):
            yield Static(id="fleet-detail")
        yield Input(placeholder="folder of reports, or Ansible inventory; Enter opens, Esc leaves", id="source",
                    compact=True)

    def on_mount(self) -> None:
        """Name the columns; look when a fleet was named at the start."""
        self.query_one(DataTable).add_columns(" ", "who", "state", "what")
        self.query_one("#search").display = self.query_one("#source").display = False
        self.set_focus(self.query_one(DataTable))
        if self.state.fleet is None and self.desk.fleet_source:
            self.face.jobs.fleet()

    def show(self, topic: str) -> None:
        """Draw the list."""
        if topic not in ("all", "fleet"):
            return
        seen = self.state.fleet
        self.query_one(DataTable).display = self.query_one("#fleet-box").display = seen is not None
        if seen is None:
            waits = f"looking at {self.desk.fleet_source} …" if self.desk.fleet_source else EMPTY
            self.query_one("#fleet-head", Static).update(Content(waits))
            return
        source = "the demo" if self.desk.demo else self.desk.fleet_source
        self.query_one("#fleet-head", Static).update(render_head(seen, source))
        self._fill()
        if not isinstance(self.focused, Input):
            self.set_focus(self.query_one(DataTable))

    def on_resize(self) -> None:
        """Fit the lines to the new width."""
        self.call_after_refresh(self.take, "fleet")

    def on_data_table_row_highlighted(self) -> None:
        """Show the chosen line."""
        self._show_detail()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Narrow the list."""
        if event.input.id == "search":
            self._fill()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go to what was found, or open what was named."""
        if event.input.id == "search":
            self.set_focus(self.query_one(DataTable))
            return
        source = event.value.strip()
        self.action_leave()
        if source:
            self.desk.fleet_source, self.state.fleet = source, None
            self.show("fleet")
            self.action_look()

    def action_search(self) -> None:
        """Open the search."""
        self._open("#search")

    def action_ask(self) -> None:
        """Ask for another fleet."""
        self._open("#source")

    def action_look(self) -> None:
        """Look again."""
        if self.desk.fleet_source:
            self.face.jobs.fleet()

    def action_leave(self) -> None:
        """Close the inputs and show everything again."""
        for name in ("#search", "#source"):
            box = self.query_one(name, Input)
            box.value, box.display = "", False
        self.set_focus(self.query_one(DataTable))

    def action_down(self) -> None:
        """Move on."""
        self.query_one(DataTable).action_cursor_down()

    def action_up(self) -> None:
        """Move back."""
        self.query_one(DataTable).action_cursor_up()

    def _open(self, name: str) -> None:
        box = self.query_one(name, Input)
        box.display = True
        self.set_focus(box)  # at once: the keys behind this one are for it

    def _fill(self) -> None:
        seen = self.state.fleet
        if seen is None:
            return
        words = self.query_one("#search", Input).value.lower().split()
        self._shown = [line for line in fleet_lines(seen) if (words or line.state != "ok")
                       and all(word in line.words.lower() for word in words)]
        table, names = self.query_one(DataTable), 30 if self.size.width < WIDE else 44
        room = max(20, self.size.width - names - 18)
        at = table.cursor_row
        table.clear()
        table.add_rows((Content.styled(line.sign, STYLE[line.verdict]), shortened(line.who, names), line.state,
                        shortened(line.what, room)) for line in self._shown[:MOST])
        if self._shown:
            table.move_cursor(row=min(at, len(self._shown) - 1))
        self._show_detail()

    def _show_detail(self) -> None:
        at, seen, text = self.query_one(DataTable).cursor_row, self.state.fleet, Content("nothing fits")
        if seen is not None and at < len(self._shown):
            text = render_line(self._shown[at], seen)
        if len(self._shown) > MOST:
            text = lines([text, "", f"{len(self._shown) - MOST} more lines: narrow with /"])
        self.query_one("#fleet-detail", Static).update(text)
