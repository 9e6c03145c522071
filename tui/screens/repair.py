"""From a plan to a repaired machine: look, show the difference, ask, apply with live progress, look again."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Footer, Log, ProgressBar, Static
from textual.worker import get_current_worker

from agent.desk.runs import RunView
from agent.model.errors import FirstlightError
from agent.model.plan import Outcome, Plan
from agent.report.visible import visible
from tui.state import Changed
from tui.widgets.changes import render_changes, render_plan, render_refusals
from tui.words import lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from tui.app import FirstlightApp


class Stage(Enum):
    """Where a repair is."""

    PLANNING = "looking what would change …"
    PLANNED = "planned"
    APPLYING = "applying; it goes on when this screen or the terminal is closed"
    OVER = "over"


ENDINGS = {
    Outcome.DONE: ("✓ done", "$text-success bold"), Outcome.FAILED: ("✗ failed", "$text-error bold"),
    Outcome.REFUSED: ("! done, except what was refused", "$text-warning bold"),
    Outcome.CANCELLED: ("! stopped", "$text-warning bold"),
    Outcome.INTERRUPTED: ("! interrupted; an apply starts over and finishes it", "$text-warning bold"),
    Outcome.RUNNING: ("runs", ""),
}


class Repair(Screen[None]):
    """A plan for `roles` (none: all), then its apply. Without `plan` the running apply is shown."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "apply", "Apply", id="repair.apply", tooltip="make these changes now"),
        Binding("s", "stop", "Stop", id="repair.stop", tooltip="stop after the current task; again: at once"),
        Binding("escape,q", "leave", "Back", id="repair.back", tooltip="go back; a running apply goes on"),
    ]

    def __init__(self, roles: Sequence[str], checks: Sequence[str] = (), *, plan: bool = True) -> None:
        super().__init__()
        self._roles, self._checks = tuple(roles), tuple(checks)
        self.stage = Stage.PLANNING if plan else Stage.APPLYING
        self.plan: Plan | None = None
        self._logged = 0

    @property
    def face(self) -> FirstlightApp:
        """The application."""
        return cast("FirstlightApp", self.app)

    def compose(self) -> ComposeResult:
        """Yield head, progress, changes, log."""
        yield Static(id="repair-head")
        yield ProgressBar(total=100, show_eta=False, id="repair-bar")
        with VerticalScroll(id="repair-box"):
            yield Static(id="repair-text")
        yield Log(id="repair-log", max_lines=2000)
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Begin with the plan, or show what runs."""
        self._head(self.stage.value)
        self.query_one("#repair-box").focus()
        if self.stage is Stage.PLANNING:
            self.run_worker(self._plan, thread=True, group="plan", exclusive=True, exit_on_error=False)
        elif self.face.state.run is not None:
            self.take_run(self.face.state.run)

    def on_changed(self, event: Changed) -> None:
        """Take the plan, or a step on the way to it."""
        event.stop()
        if event.topic == "step":
            step = cast("dict[str, Any]", event.value)
            self.query_one(Log).write_line(f"{step['role']}: {step['task']}")
            if step.get("count"):
                self.query_one(ProgressBar).update(progress=100 * step["number"] / step["count"])
        elif event.topic == "plan":
            self._take_plan(cast(Plan, event.value))
        elif event.topic == "problem":
            self.stage = Stage.OVER
            self._head(f"✗ {visible(str(event.value))}", "$text-error")
            self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer apply only for a plan with changes that may be made, stop only for what runs."""
        if action == "apply":
            return self.stage is Stage.PLANNED and bool(self.plan and self.plan.changes) and not self.face.desk.obstacle
        return action != "stop" or self.stage is Stage.APPLYING

    def action_apply(self) -> None:
        """Start the apply; the application follows it and hands us what it does."""
        self.stage = Stage.APPLYING
        self._head(self.stage.value, "$text-warning")
        self.query_one(Log).clear()
        self._logged = 0
        self.query_one(ProgressBar).update(progress=0)
        self.refresh_bindings()
        self.face.start_apply(self._roles, self._checks)

    def action_stop(self) -> None:
        """Ask the apply to stop."""
        self.face.stop_apply()

    def action_leave(self) -> None:
        """Go back."""
        self.app.pop_screen()

    def take_run(self, view: RunView) -> None:
        """Show what a run has done so far."""
        log = self.query_one(Log)
        if len(view.lines) < self._logged:
            self._logged = 0
        log.write_lines([visible(line) for line in view.lines[self._logged:]])
        self._logged = len(view.lines)
        self.query_one(ProgressBar).update(progress=100 * view.share)
        over = view.run is not None or not view.alive
        self.stage = Stage.OVER if over else Stage.APPLYING
        text, style = ENDINGS[view.outcome]
        count = f"{len(view.changes)} change{'s' * (len(view.changes) != 1)}"
        self._head(f"{text}, {count}" if over else f"{Stage.APPLYING.value}: {count} so far", style)
        parts = list(render_changes(view.changes))
        if view.run is not None:
            parts += render_refusals(view.run.refusals)
            parts += [Content.styled(f"✗ {visible(line)}", "$text-error") for line in view.run.failure.splitlines()]
            if view.run.reboot_required:
                parts.append(Content.styled("! a reboot is required before everything is in force: "
                                            "systemctl reboot", "$text-warning bold"))
        self.query_one("#repair-text", Static).update(lines(parts or ["nothing changed yet"]))
        self.refresh_bindings()

    def take_problem(self, text: str) -> None:
        """Say why there is no apply."""
        self.on_changed(Changed("problem", text))

    def take_verdicts(self, text: Content) -> None:
        """Show what the checks say after the repair."""
        self.query_one("#repair-head", Static).update(text)

    def _plan(self) -> None:
        worker = get_current_worker()

        def tell(said: dict[str, Any]) -> None:
            if said.get("event") == "step":
                self.post_message(Changed("step", said))

        try:
            made = self.face.desk.plan(self._roles, tell, lambda: worker.is_cancelled)
        except FirstlightError as error:
            self.post_message(Changed("problem", f"{error.message}. {error.hint}"))
        else:
            self.post_message(Changed("plan", made))

    def _take_plan(self, plan: Plan) -> None:
        self.stage, self.plan = Stage.PLANNED, plan
        self.query_one(ProgressBar).update(progress=100)
        self.query_one("#repair-text", Static).update(lines(render_plan(plan)))
        count = len(plan.changes)
        if not count and not plan.refusals and not plan.failure:
            self._head("✓ nothing to change: the machine is what its profile says", "$text-success bold")
        elif not count:
            self._head("no change was found in what could be looked at", "$text-warning")
        elif self.face.desk.obstacle:
            only = f" --only {','.join(self._roles)}" if self._roles else ""
            self._head(f"{count} changes; {self.face.desk.obstacle} (or: sudo firstlight apply{only})", "$text-warning")
        else:
            these = "this change" if count == 1 else f"these {count} changes"
            self._head(f"Make {these}?  a: apply   Esc: leave it", "$text-warning bold")
        self.refresh_bindings()

    def _head(self, text: str, style: str = "") -> None:
        what = ", ".join(self._roles) or "everything in the profile"
        self.query_one("#repair-head", Static).update(
            Content.assemble((f"{what}: ", "bold"), (text, style)))
