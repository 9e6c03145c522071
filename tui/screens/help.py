"""What a screen shows and which keys it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.table import Table
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

if TYPE_CHECKING:
    from textual.app import ComposeResult


class Help(ModalScreen[None]):
    """A page over the screen it explains."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,q", "dismiss", "Close")]

    def __init__(self, title: str, text: str, keys: list[tuple[str, str]]) -> None:
        super().__init__()
        self._title, self._text, self._keys = title, text, keys

    def compose(self) -> ComposeResult:
        """Yield the page."""
        grid = Table.grid(padding=(0, 2))
        for key, meaning in self._keys:
            grid.add_row(key, meaning)
        with VerticalScroll(id="help-box") as box:
            box.border_title = self._title
            yield Static(self._text)
            yield Static("")
            yield Static(grid)
