"""Every check by area, with filter and search; the chosen one in full; run it, repair it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Input, Static

from agent.model.finding import Finding
from agent.report.words import wrong
from tui.screens.face import Face
from tui.widgets.detail import render_check, render_finding
from tui.widgets.tree import CheckTree
from tui.words import line_of, lines

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.widgets import Tree

    from agent.desk.values import CheckInfo


class Checks(Face):
    """Screen 2."""

    PLACE = "checks"
    COPIES = "#detail"
    LIST = "#tree"
    HELP = ("The tree on the left holds every check by area; what is wrong stands first in its area. On the right: why "
            "it matters, what was seen and expected, the evidence, what to do. Typing after / narrows the tree; w "
            "leaves only what is not right. c copies the finding.")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "Search", id="checks.search", tooltip="narrow the tree by any words", priority=True),
        Binding("w", "wrong", "Wrong only", id="checks.wrong", tooltip="leave out what passes or does not apply"),
        Binding("r", "again", "Run this", id="checks.run", tooltip="run the chosen check or area now"),
        Binding("R", "app.check('standard')", "Run standard", id="checks.standard", show=False,
                tooltip="run every quick and standard check"),
        Binding("D", "app.check('deep')", "Run deep", id="checks.deep", show=False,
                tooltip="run every check, also those that load the machine"),
        Binding("f", "repair", "Fix", id="checks.fix", tooltip="plan what repairs it, show it, ask, apply"),
        Binding("enter", "enter_line", show=False, priority=True),
        Binding("escape", "leave_search", "Tree", show=False),
    ]

    def body(self) -> ComposeResult:
        """Yield search, tree and detail."""
        yield Input(placeholder="words; all must occur", id="search", compact=True)
        with Horizontal(id="checks"):
            yield CheckTree()
            with VerticalScroll(id="detail-box"):
                yield Static(id="detail")

    def on_mount(self) -> None:
        """Hide the search until it is asked for."""
        self.query_one("#search").display = False
        self.set_focus(self.query_one(CheckTree))

    def show(self, topic: str) -> None:
        """Draw the tree anew when the report or the checks changed."""
        if topic in ("all", "report", "look"):
            look = self.state.look
            tree = self.query_one(CheckTree)
            tree.fill(self.state.report, {info.id: info for info in look.checks} if look is not None else {})
            wanted, self.face.wanted = self.face.wanted, None
            if wanted is not None:
                tree.choose(*wanted)
            self._show_detail()

    def on_tree_node_highlighted(self, event: Tree.NodeHighlighted[object]) -> None:
        """Show the chosen finding."""
        event.stop()
        self._show_detail()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Narrow the tree."""
        self.query_one(CheckTree).narrow(event.value)

    def on_input_submitted(self) -> None:
        """Go to what was found."""
        self.set_focus(self.query_one(CheckTree))

    def action_search(self) -> None:
        """Open the search."""
        box = self.query_one("#search", Input)
        box.display = True
        self.set_focus(box)  # at once: the keys behind this one are for it

    def action_leave_search(self) -> None:
        """Close the search and show everything again."""
        box = self.query_one("#search", Input)
        box.value = ""
        box.display = False
        self.set_focus(self.query_one(CheckTree))

    def action_wrong(self) -> None:
        """Show only what is not right, or all again."""
        only = self.query_one(CheckTree).toggle_wrong()
        self.notify("only what is not right" if only else "all checks", timeout=2)

    def action_again(self) -> None:
        """Run the chosen check or area, whatever its level."""
        name = self.query_one(CheckTree).chosen_name()
        if name:
            self.face.run_checks("deep", (name,))

    def action_repair(self) -> None:
        """Plan what repairs the chosen finding."""
        chosen = self.query_one(CheckTree).chosen()
        if isinstance(chosen, Finding):
            self.face.repair(chosen)

    def _show_detail(self) -> None:
        self.query_one("#detail", Static).update(self._detail())

    def _detail(self) -> Content:
        tree = self.query_one(CheckTree)
        chosen = tree.chosen()
        if chosen is None:
            return self._area(tree.chosen_name())
        return render_finding(chosen, self._info(chosen.check)) if isinstance(chosen, Finding) else render_check(chosen)

    def _area(self, area: str) -> Content:
        """Return what is not right in an area."""
        report = self.state.report
        if report is None or not area:
            return Content.styled("looking …", "$text-muted")
        found = [line_of(finding) for finding in wrong(report) if finding.check.startswith(f"{area}.")]
        head = f"{area}: {len(found) or 'nothing'} not right. r runs this area, Enter opens or closes it."
        return lines([Content.styled(head, "bold"), "", *found])

    def _info(self, check: str) -> CheckInfo | None:
        known = self.state.look.checks if self.state.look is not None else ()
        return next((info for info in known if info.id == check), None)
