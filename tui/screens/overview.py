"""The machine at a glance: what is wrong first, the GPUs now, memory, areas, the card, the last runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.table import Table
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from agent.model.gpu import GpuMemory
from agent.report.visible import visible
from agent.report.words import tally, worst, wrong
from tui.screens.face import Face
from tui.widgets.strip import GpuStrip, memory_bar
from tui.words import areas, clock, line_of, lines, mark

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from agent.model.finding import Finding, Report

SHOWN_RUNS = 5


class Overview(Face):
    """Screen 1."""

    PLACE = "overview"
    HELP = ("What is wrong stands first; Enter opens it among the checks. Below: the GPUs once a second, the memory "
            "(one bar where CPU and GPU share it), the counts by area, the machine's card, the last runs and the next "
            "timers.")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "app.check('quick')", "Look again", id="overview.again",
                tooltip="run the quick checks now and keep the report"),
        Binding("f", "repair", "Fix", id="overview.fix", tooltip="plan what repairs the chosen finding"),
    ]

    def body(self) -> ComposeResult:
        """Yield the parts, what matters most first."""
        with VerticalScroll(id="overview", can_focus=False):
            yield Static(id="tally")
            yield OptionList(id="wrong", compact=True)
            yield GpuStrip(id="gpus")
            yield Static(id="memory")
            with Horizontal(id="details"):
                yield Static(id="areas")
                yield Static(id="card")
            yield Static(id="runs")

    def show(self, topic: str) -> None:
        """Draw what changed."""
        if topic in ("all", "report"):
            self._show_report(self.state.report)
        if topic in ("all", "sample"):
            self.query_one(GpuStrip).show(self.state)
        if topic in ("all", "sample", "look"):
            self._show_memory()
        if topic in ("all", "look"):
            self._show_card()
        if topic in ("all", "entries", "look"):
            self._show_runs()

    def on_resize(self) -> None:
        """Fit the lines to the new width."""
        self.call_after_refresh(self.take, "all")

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Open a finding among the checks."""
        if event.option_id:
            check, _, subject = event.option_id.partition("\n")
            self.face.open_check(check, subject)

    def action_repair(self) -> None:
        """Plan what repairs the finding under the cursor."""
        found, at = self._wrong(), self.query_one(OptionList).highlighted
        if at is not None and at < len(found):
            self.face.repair(found[at])

    def _wrong(self) -> list[Finding]:
        found = wrong(self.state.report) if self.state.report is not None else []
        return list({(item.check, item.subject): item for item in found}.values())

    def _show_report(self, report: Report | None) -> None:
        box = self.query_one(OptionList)
        if report is None:
            self.query_one("#tally", Static).update(Content.styled("no report yet: looking …", "$text-muted"))
            box.display = False
            return
        head = Content.assemble(mark(worst(report)), f" {tally(report)}",
                                (f"   {report.level}, {clock(report.finished)}", "$text-muted"))
        self.query_one("#tally", Static).update(head)
        self.query_one("#areas", Static).update(areas(report.findings))
        found, at = self._wrong(), box.highlighted
        box.display = bool(found)
        box.clear_options()
        width = max(20, self.size.width - 6)
        box.add_options([Option(line_of(item).truncate(width, ellipsis=True), id=f"{item.check}\n{item.subject}")
                         for item in found])
        if found:
            box.highlighted = min(at or 0, box.option_count - 1)

    def _show_memory(self) -> None:
        look = self.state.look
        if look is None:
            return
        cards = self.state.sample.cards if self.state.sample is not None else ()
        shared = [card.memory for card in cards if isinstance(card.memory, GpuMemory) and card.memory.unified]
        held = shared[0].used_bytes if shared else look.gpu_held_bytes
        free = self.state.sample.available_bytes if self.state.sample is not None else 0
        drawn = memory_bar(look, free or look.available_bytes, held, self.size.width - 4)
        self.query_one("#memory", Static).update(drawn)

    def _show_card(self) -> None:
        look = self.state.look
        if look is None:
            return
        grid = Table.grid(padding=(0, 2))
        for label, text in look.rows:
            grid.add_row(label, visible(text))
        if look.problem:
            grid.add_row("?", visible(look.problem))
        self.query_one("#card", Static).update(grid)

    def _show_runs(self) -> None:
        entries = self.state.entries
        if not entries:
            text = "last runs: none kept yet" if entries is not None else "last runs: …"
            self.query_one("#runs", Static).update(lines([Content.styled(text, "$text-muted"), *self._next_timers()]))
            return
        rows: list[Content | str] = [Content.styled("last runs", "bold")]
        rows += [f"{clock(entry.started)}  {entry.kind} {entry.level:<9} {entry.summary}"
                 for entry in entries[:SHOWN_RUNS]]
        self.query_one("#runs", Static).update(lines([*rows, *self._next_timers()]))

    def _next_timers(self) -> list[Content | str]:
        """Return when the timers start next; nothing for a recording, which has none."""
        timers = self.state.look.timers if self.state.look is not None else None
        if timers is None:
            return []
        if not timers:
            said = "no timers look at this machine: sudo firstlight systemd install"
            return ["", Content.styled(said, "$text-muted")]
        width = max(len(name) for name, _ in timers)
        rows = (f"{visible(name):<{width}}  {when}" for name, when in timers)
        return ["", Content.styled("next timers", "bold"), *rows]
