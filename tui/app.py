"""The terminal interface: screens under number keys over one state, filled by work in threads and processes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input

from agent.report.visible import visible
from tui.jobs import Jobs
from tui.screens.checks import Checks
from tui.screens.drift import Drifts
from tui.screens.face import Face
from tui.screens.fleet import Fleet
from tui.screens.gpu import Gpus
from tui.screens.help import Help
from tui.screens.history import Past
from tui.screens.overview import Overview
from tui.screens.provision import Provision
from tui.screens.repair import Repair
from tui.screens.smoke import Smoke
from tui.state import Changed, State
from tui.widgets.bars import PLACES
from tui.words import line_of, lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from textual.screen import Screen

    from agent.desk.desk import Desk
    from agent.desk.runs import RunView
    from agent.model.finding import Finding, Report


class FirstlightApp(App[None]):
    """Looks at one machine through its desk; never waits for it."""

    TITLE = "Firstlight"
    CSS_PATH = "firstlight.tcss"
    ENABLE_COMMAND_PALETTE = True
    MODES: ClassVar[dict[str, str | Callable[[], Screen[Any]]]] = {
        "overview": Overview, "checks": Checks, "provision": Provision, "history": Past, "gpu": Gpus,
        "drift": Drifts, "smoke": Smoke, "fleet": Fleet}
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(str(number), f"switch_mode('{place}')", title, id=f"go.{place}", show=False, priority=True)
          for number, (place, title) in enumerate(PLACES, 1)),
        Binding("l", "attach", "Running apply", id="go.attach", show=False),
        Binding("t", "change_theme", "Theme", id="theme", show=False),
        Binding("question_mark", "help", "Help", key_display="?", id="help"),
        Binding("q", "quit", "Quit", id="quit"),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk, self.state = desk, State()
        self.jobs = Jobs(self)
        self.wanted: tuple[str, str] | None = None

    async def on_mount(self) -> None:
        """Show the overview at once; everything else comes as it is known."""
        wanted = os.environ.get("FIRSTLIGHT_THEME") or "textual-dark"
        if self.get_theme(wanted) is not None:
            self.theme = wanted
        else:
            self.notify(f"FIRSTLIGHT_THEME: there is no theme {visible(wanted)}; t shows those there are",
                        severity="warning", timeout=8)
        await self.switch_mode("overview")
        self.call_after_refresh(self.jobs.begin)

    def on_changed(self, event: Changed) -> None:
        """Keep what became known and let the screen draw it."""
        if not self.screen_stack:  # we are leaving
            return
        state, topic = self.state, event.topic
        if topic == "sample":
            state.take_sample(cast(Any, event.value))
        elif topic == "report":
            state.take_report(cast("Report", event.value))
            state.work = None
        elif topic == "rechecked":
            self._take_rechecked(cast("Report", event.value))
            topic = "report"
        elif topic == "problem":
            state.work, state.notice = None, str(event.value)
            self.notify(visible(state.notice), severity="error", timeout=8)
        elif topic == "run":
            state.run = cast("RunView", event.value)
            if isinstance(self.screen, Repair) and state.run is not None:
                self.screen.take_run(state.run)
        elif topic == "said":
            state.notice = str(event.value)
        else:
            setattr(state, topic, event.value)
        if isinstance(self.screen, Face):
            self.screen.take(topic)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave digits to a line that is written. Else they have priority: the keys behind one are for its screen."""
        taken = isinstance(self.focused, Input) or isinstance(self.screen, ModalScreen)
        return not (action == "switch_mode" and taken)

    def run_checks(self, level: str, only: Sequence[str] = ()) -> None:
        """Run checks; the state says how far they are."""
        self.jobs.check(level, only)

    def action_check(self, level: str) -> None:
        """Run every check up to a level."""
        self.run_checks(level)

    def action_reload(self) -> None:
        """Read the history again."""
        self.jobs.entries()

    def action_attach(self) -> None:
        """Look at the apply that runs, or at the last one that this face saw."""
        if self.state.run is None:
            self.notify("no apply runs", timeout=3)
        elif not isinstance(self.screen, Repair):
            self.push_screen(Repair(self.state.run.roles, plan=False))

    def action_help(self) -> None:
        """Explain the screen."""
        shown = self.screen
        found = [active for active in shown.active_bindings.values() if active.binding.description and active.enabled]
        found.sort(key=lambda active: (not active.binding.id, active.node is not shown, active.node is not self))
        keys = [(self.get_key_display(active.binding), active.binding.tooltip or active.binding.description)
                for active in found]
        text = shown.HELP if isinstance(shown, Face) else "A plan is shown and asked about before anything changes."
        self.push_screen(Help(f"{type(shown).__name__}: keys", text, keys))

    async def action_quit(self) -> None:
        """Leave; an apply goes on."""
        run = self.state.run
        if run is not None and run.run is None and run.alive:
            self.exit(message="The apply goes on. To look at it again: firstlight tui, then l.")
        else:
            self.exit()

    def action_help_quit(self) -> None:
        """Say how to leave: ctrl+c alone does not, it is how text is copied elsewhere."""
        self.notify("q leaves; an apply goes on", timeout=4)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Yield what the command palette offers."""
        yield from super().get_system_commands(screen)
        for place, title in PLACES:
            yield SystemCommand(title, f"show the screen {title}", lambda place=place: self.switch_mode(place))
        for level in ("quick", "standard", "deep"):
            yield SystemCommand(f"Check: {level}", f"run the checks up to level {level}",
                                lambda level=level: self.run_checks(level))
        yield SystemCommand("Plan", "say what an apply would change", lambda: self.plan_roles(()))

    def open_check(self, check: str, subject: str) -> None:
        """Show a finding among the checks."""
        self.wanted = (check, subject)
        self.switch_mode("checks")

    def repair(self, finding: Finding) -> None:
        """Plan what repairs a finding, or say that a person must."""
        if finding.remedy.role:
            self.plan_roles((finding.remedy.role,), (finding.check,))
        elif finding.remedy.steps:
            steps = "\n".join(f"{number}. {visible(step)}" for number, step in enumerate(finding.remedy.steps, 1))
            self.push_screen(Help(f"{finding.check}: for a person to do", steps, []))
        else:
            self.notify(f"{finding.check}: nothing here repairs this", timeout=4)

    def plan_roles(self, roles: Sequence[str], checks: Sequence[str] = ()) -> None:
        """Show a plan; `checks` are looked at again after its apply."""
        if self.state.run is not None and self.state.run.alive and self.state.run.run is None:
            self.notify("an apply runs; look at it with l, plan when it is over", severity="warning")
            return
        self.push_screen(Repair(roles, checks))

    def start_apply(self, roles: Sequence[str], checks: Sequence[str]) -> None:
        """Start an apply and follow it."""
        self.jobs.apply(roles, checks)

    def stop_apply(self) -> None:
        """Ask the apply that runs to stop."""
        self.jobs.stop()

    def _take_rechecked(self, report: Report) -> None:
        self.state.take_report(report)
        self.state.work = None
        if isinstance(self.screen, Repair):
            self.screen.take_verdicts(lines([Content.styled("looked again:", "bold"),
                                             *(line_of(finding) for finding in report.findings[:8])]))


