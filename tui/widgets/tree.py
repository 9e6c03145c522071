"""The tree of checks by area."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import Tree

from agent.desk.values import CheckInfo
from agent.model.document import WORST, counts
from agent.model.finding import Finding
from agent.model.verdict import Verdict
from agent.report.visible import visible
from agent.report.words import LABEL, SYMBOL, WRONG
from tui.words import ANSI

if TYPE_CHECKING:
    from collections.abc import Mapping

    from textual.widgets.tree import TreeNode

    from agent.model.finding import Report

Item = Finding | CheckInfo
_RANK = {verdict: rank for rank, verdict in enumerate(WORST)}


class CheckTree(Tree[Item | None]):
    """Areas with their findings, and the checks that have not run. Its data are findings and checks."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", "Down", show=False), Binding("k", "cursor_up", "Up", show=False)]

    def __init__(self) -> None:
        super().__init__("checks", id="tree")
        self.show_root = False
        self.guide_depth = 2
        self._report: Report | None = None
        self._checks: Mapping[str, CheckInfo] = {}
        self._words: tuple[str, ...] = ()
        self._only_wrong = False

    def fill(self, report: Report | None, checks: Mapping[str, CheckInfo]) -> None:
        """Show this report; what was chosen and opened stays so."""
        if report is self._report and checks.keys() == self._checks.keys() and self.root.children:
            return
        self._report, self._checks = report, checks
        self._grow()

    def narrow(self, text: str) -> None:
        """Leave only what holds every word of a text."""
        self._words = tuple(text.lower().split())
        self._grow()

    def toggle_wrong(self) -> bool:
        """Switch between everything and what is not right; return whether it is the latter now."""
        self._only_wrong = not self._only_wrong
        self._grow()
        return self._only_wrong

    def chosen(self) -> Item | None:
        """Return the finding or check under the cursor."""
        return self.cursor_node.data if self.cursor_node is not None else None

    def chosen_name(self) -> str:
        """Return the check's id or the area under the cursor; empty without one."""
        node = self.cursor_node
        if node is None:
            return ""
        return _name(node.data) or str(node.label.plain if isinstance(node.label, Text) else node.label).split()[0]

    def choose(self, check: str, subject: str) -> None:
        """Put the cursor on a finding."""
        for area in self.root.children:
            for node in area.children:
                if isinstance(node.data, Finding) and (node.data.check, node.data.subject) == (check, subject):
                    area.expand()
                    self.call_after_refresh(self.move_cursor, node)
                    return

    def _grow(self) -> None:
        kept = self.chosen()
        opened = {str(node.label).split()[0] for node in self.root.children if node.is_expanded}
        self.clear()
        self.cursor_line = -1  # else the cursor stays on a node that is gone when its line does not change
        by_area: dict[str, list[Item]] = {}
        for item in self._items():
            by_area.setdefault(_name(item).partition(".")[0], []).append(item)
        wanted: TreeNode[Item | None] | None = None
        for area, items in sorted(by_area.items()):
            found = counts(item for item in items if isinstance(item, Finding))
            node = self.root.add(_area_label(area, found), expand=bool(
                self._words or area in opened or found["fail"] or found["warn"]))
            for item in sorted(items, key=_order):
                leaf = node.add_leaf(_label(item), item)
                if kept is not None and _identity(item) == _identity(kept):
                    wanted = leaf
        if wanted is not None:
            self.call_after_refresh(self.move_cursor, wanted)
        elif self.root.children:
            self.call_after_refresh(self.move_cursor, self.root.children[0])

    def _items(self) -> list[Item]:
        findings = self._report.findings if self._report is not None else ()
        ran = {run.check for run in self._report.runs} if self._report is not None else set()
        rest = () if self._only_wrong else [info for name, info in self._checks.items() if name not in ran]
        return [item for item in (*findings, *rest) if self._fits(item)]

    def _fits(self, item: Item) -> bool:
        if isinstance(item, Finding):
            if self._only_wrong and item.verdict not in WRONG:
                return False
            text = f"{item.check} {item.subject} {item.summary} {LABEL[item.verdict]}".lower()
        else:
            text = f"{item.id} {item.title}".lower()
        return all(word in text for word in self._words)


def _name(item: Item | None) -> str:
    return "" if item is None else item.check if isinstance(item, Finding) else item.id


def _identity(item: Item) -> tuple[str, str]:
    return _name(item), item.subject if isinstance(item, Finding) else ""


def _order(item: Item) -> tuple[int, str]:
    return (_RANK[item.verdict] if isinstance(item, Finding) else len(_RANK), _name(item))


def _area_label(area: str, found: Mapping[str, int]) -> Text:
    label = Text(f"{area} ", style="bold")
    for verdict in WORST:
        if found[verdict.value] and verdict is not Verdict.NOT_APPLICABLE:
            label.append(f" {SYMBOL[verdict]}{found[verdict.value]}", ANSI[verdict])
    return label


def _label(item: Item) -> Text:
    if isinstance(item, CheckInfo):
        return Text(f"  {item.id.partition('.')[2]} (not run: {item.level})", style="dim")
    label = Text(f"{SYMBOL[item.verdict]} ", style=ANSI[item.verdict])
    label.append(item.check.partition(".")[2], "bold" if item.verdict in WRONG else "")
    if item.subject:
        label.append(f" {visible(item.subject)}", "dim")
    return label
