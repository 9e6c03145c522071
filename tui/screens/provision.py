"""The profile with the place each value is written, the way through the first boot, plan and apply."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import DataTable, Static

from agent.report.visible import visible
from tui.screens.face import Face
from tui.words import lines

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from agent.desk.values import Look
    from agent.desk.way import Way


class Provision(Face):
    """Screen 3."""

    PLACE = "provision"
    COPIES = "#value"
    HELP = ("What the machine must be: every value of its profile and the file and line that says so. p plans the "
            "whole profile. On a new machine n does the next step of its first boot until it is proven; x leaves that. "
            "A plan is shown first and asked about; an apply is a process of its own and goes on when the terminal is "
            "closed.")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "plan_all", "Plan all", id="provision.plan", tooltip="say what an apply would change"),
        Binding("n", "next", "Next step", id="provision.next", tooltip="do the next step of the first boot"),
        Binding("x", "leave_way", "Leave first boot", id="provision.leave",
                tooltip="show the steps of the first boot no more"),
        Binding("l", "app.attach", "Running apply", id="provision.attach", show=False,
                tooltip="look at the apply that runs"),
        Binding("j", "down", "Down", show=False), Binding("k", "up", "Up", show=False),
    ]

    def body(self) -> ComposeResult:
        """Yield the way and the values."""
        yield Static(id="way")
        yield DataTable(id="values", cursor_type="row", zebra_stripes=True)
        yield Static(id="value")

    def on_mount(self) -> None:
        """Name the columns."""
        self.query_one(DataTable).add_columns("value", "is", "written in")
        self.query_one(DataTable).focus()

    def show(self, topic: str) -> None:
        """Draw what changed."""
        look = self.state.look
        if look is None:
            self.query_one("#way", Static).update("looking at the machine …")
            return
        if topic in ("all", "look", "way"):
            self.refresh_bindings()
            self.query_one("#way", Static).update(self._way(look))
        table = self.query_one(DataTable)
        if topic in ("all", "look") and table.row_count != len(look.values):
            table.clear()
            room = max(16, min(60, self.size.width - 64))
            table.add_rows((value.key, visible(value.value)[:room], _short(value.origin)) for value in look.values)

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """Show the chosen value whole, with the place that says so."""
        values = self.state.look.values if self.state.look is not None else ()
        if event.cursor_row < len(values):
            value = values[event.cursor_row]
            self.query_one("#value", Static).update(Content.assemble(
                (value.key, "bold"), f" = {visible(value.value)}\n", (_written(value.origin), "$text-muted")))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer to leave only what is offered."""
        return self._offered() is not None if action == "leave_way" else super().check_action(action, parameters)

    def action_plan_all(self) -> None:
        """Plan every role."""
        self.face.plan_roles(())

    def action_next(self) -> None:
        """Do the step that is next."""
        way = self._offered()
        do = next(do for _, do, done in _steps(way) if not done) if way is not None else "plan"
        if do == "plan":
            self.face.plan_roles(())
        elif do == "reboot":
            self.notify("reboot with: sudo systemctl reboot; then sudo firstlight tui goes on here", timeout=8)
        elif do == "check":
            self.face.run_checks("standard")
        else:
            self.app.switch_mode("smoke")

    def action_leave_way(self) -> None:
        """Show the steps of the first boot no more."""
        self.face.jobs.leave_way()
        self.notify("the first boot is left; p plans, screen 2 checks, screen 7 proves", timeout=5)

    def action_down(self) -> None:
        """Move on."""
        self.query_one(DataTable).action_cursor_down()

    def action_up(self) -> None:
        """Move back."""
        self.query_one(DataTable).action_cursor_up()

    def _way(self, look: Look) -> Content:
        if not look.profile:
            return Content.styled(f"no profile: {visible(look.problem)}", "$text-error")
        head = Content.assemble(("profile ", "$text-muted"), (look.profile, "bold"), f" ({look.digest}): {look.reason}")
        way = self._offered()
        if way is None:
            said = [Content.styled("p plans it; nothing is changed before you say so", "$text-muted")]
            return lines([head, *said, *_waiting(look)])
        return lines([head, "", *_first_boot(way), *_waiting(look)])

    def _offered(self) -> Way | None:
        way = self.state.way
        return way if way is not None and way.offered else None


def _steps(way: Way) -> tuple[tuple[str, str, bool], ...]:
    """Return the steps from a bare machine to a proven one: what it is, what `n` does, whether it is done."""
    ready = way.applied and way.rebooted
    return (
        ("the profile that fits is chosen", "", True), ("plan, look at it, a: apply", "plan", way.applied),
        ("reboot" if way.reboot else "reboot, if the apply asks for one", "reboot", ready),
        ("check everything", "check", ready and way.checked),
        ("prove it: the smoke jobs", "smoke", ready and way.checked and way.proven),
    )


def _first_boot(way: Way) -> list[Content]:
    steps = _steps(way)
    head = "First boot" if way.applied else "First boot: this machine was never provisioned"
    following = next(number for number, step in enumerate(steps) if not step[2])
    shown = []
    for number, (what, _, done) in enumerate(steps):
        text = f"{what}   n: do it" if number == following else what
        sign, style = ("▸", "bold") if number == following else ("·", "$text-muted")
        sign, style = ("✓", "$text-success") if done else (sign, style)
        shown.append(Content.styled(f"  {sign} {number + 1}. {text}", style))
    return [Content.styled(head, "$text-warning bold"), *shown]


def _waiting(look: Look) -> list[Content]:
    """Return what of a reboot or of a first boot without us is still to come."""
    found = []
    if look.first_boot:
        found.append(f"! a first boot is under way; next: {look.first_boot}. sudo firstlight up takes it further")
    if look.reboot_wanted:
        found.append("! a reboot is required before everything is in force: sudo systemctl reboot")
    return [Content.styled(text, "$text-warning") for text in found]


def _written(origin: str) -> str:
    """Return in words where a value comes from."""
    words = {"default": "the default, written in no file",
             "recorded": "recorded with the machine, without the file it was written in"}
    return words.get(origin, f"written in {origin}")


def _short(origin: str) -> str:
    """Return `gpu-server.yml:12` for a shipped profile, the whole path for a file of the site."""
    return origin.rpartition("/")[2] if "/playbooks/profiles/" in origin else origin
