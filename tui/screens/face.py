"""What all screens have: the first and last lines, the state they show, the keys that work everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Footer, Input, Static

from tui.widgets.bars import Statusbar, Topbar

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.widget import Widget

    from agent.desk.desk import Desk
    from tui.app import FirstlightApp
    from tui.state import State


class Face(Screen[None]):
    """A screen under one of the number keys. `PLACE` is its name, `HELP` what `?` says about it.

    `COPIES` names the part that `c` copies; the whole screen as it is drawn without one. `LIST` is what has the keys
    when no line is written; needed where one can be.
    """

    PLACE: ClassVar[str] = ""
    HELP: ClassVar[str] = ""
    COPIES: ClassVar[str] = ""
    LIST: ClassVar[str] = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "copy", "Copy", id="copy", show=False, tooltip="copy the text of this screen to the clipboard")]
    AUTO_FOCUS = ""  # Textual would give the keys to an input that is not shown
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012 - as Textual declares it

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave keys that are text to an input that has them.

        What opens an input has priority, so that the keys typed right behind it find the input open.
        """
        writing = isinstance(self.focused, Input)
        return writing if action == "enter_line" else not (action in ("search", "ask", "accept") and writing)

    def action_enter_line(self) -> None:
        """Take the line once it has all its keys, and give those behind Enter to the list at once."""
        line = self.focused
        if isinstance(line, Input):
            line.call_later(line.action_submit)
            self.set_focus(self.query_one(self.LIST))

    def body(self) -> ComposeResult:
        """Yield what stands between the first line and the last."""
        raise NotImplementedError

    def show(self, topic: str) -> None:
        """Draw what changed: a topic of `Changed`, or `all`."""

    def compose(self) -> ComposeResult:
        """Yield the lines around the body."""
        yield Topbar(id="topbar")
        yield from self.body()
        yield Statusbar(id="status")
        yield Footer(show_command_palette=False)

    @property
    def face(self) -> FirstlightApp:
        """The application."""
        return cast("FirstlightApp", self.app)

    @property
    def state(self) -> State:
        """What is known."""
        return self.face.state

    @property
    def desk(self) -> Desk:
        """The machine."""
        return self.face.desk

    def on_screen_resume(self) -> None:
        """Draw everything: much may have changed while another screen was shown."""
        self.call_after_refresh(self.take, "all")

    def take(self, topic: str) -> None:
        """Draw what changed, and the lines around it."""
        if not self.is_attached:
            return
        if topic in ("all", "look"):
            self.query_one(Topbar).show(self.state, self.desk, self.PLACE)
        if topic != "sample":
            self.query_one(Statusbar).show(self.state, self.desk)
        self.show(topic)

    def action_copy(self) -> None:
        """Copy the chosen part as text; terminals that allow it put it on the clipboard, over SSH too."""
        self.app.copy_to_clipboard(self._text())
        self.notify("copied", timeout=2)

    def _text(self) -> str:
        drawn = self.query_one(self.COPIES, Static).content if self.COPIES else None
        if isinstance(drawn, Content):
            return drawn.plain
        return "\n".join(strip.text.rstrip() for strip in self._compositor.render_strips())

    def first_focus(self) -> Widget | None:
        """Return what has the keys at first."""
        return None
