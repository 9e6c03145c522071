"""Reports and runs over time; one against another."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import DataTable, Static
from textual.worker import get_current_worker

from agent.model.errors import FirstlightError
from agent.model.verdict import Verdict
from agent.report.difference import differences
from agent.report.visible import visible
from agent.report.words import tally, wrong
from tui.screens.face import Face
from tui.state import Changed
from tui.widgets.changes import render_changes, render_refusals
from tui.words import clock, line_of, lines, mark

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult

    from agent.model.finding import Report
    from agent.model.plan import Run
    from agent.report.difference import Difference

SIGN = {0: "✓", 1: "✗", 2: "!", 3: "✗"}


class Past(Face):
    """Screen 4."""

    PLACE = "history"
    COPIES = "#past"
    HELP = ("Every report and run that was kept, newest first. Enter shows a report's wrong findings, or what a run "
            "changed; Space marks a report, and Enter on another then says what changed between the two.")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Show / compare", id="history.open", priority=True),
        Binding("space", "mark", "Mark", id="history.mark", tooltip="the report others are compared with"),
        Binding("u", "app.reload", "Reload", id="history.reload"),
        Binding("j", "down", "Down", show=False), Binding("k", "up", "Up", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._marked: int | None = None

    def body(self) -> ComposeResult:
        """Yield the list and what is shown of one."""
        yield DataTable(id="entries", cursor_type="row", zebra_stripes=True)
        with VerticalScroll(id="past-box"):
            yield Static(id="past")

    def on_mount(self) -> None:
        """Name the columns."""
        table = self.query_one(DataTable)
        for name in (" ", "number", "when", "what", "level", "result"):
            table.add_column(name, key=name)
        table.focus()

    def show(self, topic: str) -> None:
        """Draw the list."""
        if topic not in ("all", "entries"):
            return
        table, entries = self.query_one(DataTable), self.state.entries or []
        at = table.cursor_row
        table.clear()
        for entry in entries:
            sign = ("▸" if entry.id == self._marked else " ") + SIGN.get(entry.exit_code, "?")
            table.add_row(sign, str(entry.id), clock(entry.started), entry.kind, entry.level,
                          entry.summary + (" (baseline)" if entry.accepted else ""), key=str(entry.id))
        if entries:
            table.move_cursor(row=min(at, len(entries) - 1))
        else:
            told = "nothing is kept yet; r on the overview makes a report" if self.state.entries is not None else "…"
            self.query_one("#past", Static).update(Content.styled(told, "$text-muted"))

    def action_mark(self) -> None:
        """Mark the report under the cursor, or take its mark away."""
        number = self._number()
        self._marked = None if number == self._marked else number
        self.show("entries")

    def action_open(self) -> None:
        """Show the entry under the cursor, or compare it with the marked one."""
        number, marked = self._number(), self._marked
        if number is None:
            return
        kinds = {entry.id: entry.kind for entry in self.state.entries or []}
        other = marked if marked != number and kinds.get(marked or 0) == "check" else None

        def load() -> Content:
            if kinds[number] != "check":
                return render_run(self.desk.run(number))
            report = self.desk.report(number)
            if other is None:
                return render_report(report)
            return render_comparison(*sorted((self.desk.report(other), report), key=lambda one: one.started))

        self.run_worker(lambda: self._load(load), thread=True, group="past", exclusive=True, exit_on_error=False)

    def action_down(self) -> None:
        """Move on."""
        self.query_one(DataTable).action_cursor_down()

    def action_up(self) -> None:
        """Move back."""
        self.query_one(DataTable).action_cursor_up()

    def on_changed(self, event: Changed) -> None:
        """Show what was loaded."""
        event.stop()
        self.query_one("#past", Static).update(cast(Content, event.value))

    def _number(self) -> int | None:
        table, entries = self.query_one(DataTable), self.state.entries or []
        return entries[table.cursor_row].id if table.cursor_row < len(entries) else None

    def _load(self, load: Callable[[], Content]) -> None:
        worker = get_current_worker()
        try:
            text = load()
        except FirstlightError as error:
            text = Content.styled(f"✗ {visible(error.message)}", "$text-error")
        if not worker.is_cancelled:
            self.post_message(Changed("past", text))


def render_report(report: Report) -> Content:
    """Return a report's head and what is not right in it."""
    head = Content.styled(f"{clock(report.started)}, {report.level}, profile {report.profile}: {tally(report)}", "bold")
    return lines([head, *(line_of(finding) for finding in wrong(report))])


def render_run(run: Run) -> Content:
    """Return how a run ended, what it changed and what it would not change."""
    head = f"{clock(run.started)}, {run.kind}, profile {run.profile}: {run.outcome.value}, {len(run.changes)} changes"
    failure = [Content.styled(f"✗ {visible(line)}", "$text-error") for line in run.failure.splitlines()]
    return lines([Content.styled(head, "bold"), *render_changes(run.changes), *render_refusals(run.refusals), *failure])


def render_comparison(old: Report, new: Report) -> Content:
    """Return what two reports tell differently."""
    found = differences(old, new)
    head = Content.styled(f"from {clock(old.started)} to {clock(new.started)}: {len(found)} differences", "bold")
    return lines([head, *(part for item in found for part in _difference(item))])


def _difference(item: Difference) -> list[Content]:
    sides: list[str | tuple[str, str]] = []
    for side in (item.before, item.after):
        sign, style = mark(side.verdict) if side is not None else ("absent", "$text-muted")
        sides += [(sign.rstrip(), style), " → "]
    said = item.after or item.before
    about = f" {visible(item.subject)}" if item.subject else ""
    good = item.after is not None and item.after.verdict is Verdict.PASS
    return [Content.assemble(*sides[:-1], " ", (item.check, "bold"), (about, "$text-muted")),
            Content.styled(f"    {visible(said.summary) if said else ''}", "$text-success" if good else "")]
