"""The jobs that prove the machine can work: run them, watch them, see their figures against the first day's."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import DataTable, Log, Static

from agent.model.verdict import Verdict
from agent.report.visible import shortened, visible
from tui.screens.face import Face
from tui.words import bar, clock, line_of, lines, mark, sparkline

if TYPE_CHECKING:
    from collections.abc import Mapping

    from textual.app import ComposeResult

    from agent.desk.values import CheckInfo, Proof

COLUMNS = {"job": 12, "last": 9, "when": 16}
CHART = 14  # columns of a course or a bar


class Smoke(Face):
    """Screen 7."""

    PLACE = "smoke"
    COPIES = "#job"
    HELP = ("Jobs that do real work and measure it. Enter runs the chosen one, R all of them; they load the machine. A "
            "figure stands beside the median of this machine's first day, with its course since then, "
            "and beside what is known of such cards.")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "run_one", "Run this", id="smoke.run", priority=True),
        Binding("R", "run_all", "Run all", id="smoke.all"),
        Binding("j", "down", "Down", show=False), Binding("k", "up", "Up", show=False),
    ]

    def body(self) -> ComposeResult:
        """Yield jobs, detail and live output."""
        yield DataTable(id="jobs", cursor_type="row", zebra_stripes=True)
        with VerticalScroll(id="job-box"):
            yield Static(id="job")
        yield Log(id="job-log", max_lines=1000)

    def on_mount(self) -> None:
        """Name the columns and read what is kept."""
        table = self.query_one(DataTable)
        for name, width in COLUMNS.items():
            table.add_column(name, width=width)
        table.add_column("what it proves")
        self.query_one(Log).display = False
        table.focus()

    def show(self, topic: str) -> None:
        """Draw what changed."""
        if topic == "said":
            self._log.write_line(visible(self.state.notice))
        if topic in ("all", "look") and self.state.proofs is None and self.state.look is not None:
            self.face.jobs.proofs()
        if topic in ("all", "look", "proofs", "smoke"):
            self._show_jobs()
            self._show_job()

    def on_resize(self) -> None:
        """Fit the titles to the new width."""
        self.call_after_refresh(self.take, "smoke")

    def on_data_table_row_highlighted(self) -> None:
        """Show the chosen job."""
        self._show_job()

    def action_run_one(self) -> None:
        """Run the chosen job."""
        job = self._chosen()
        if job is not None:
            self._start((job.id,))

    def action_run_all(self) -> None:
        """Run every job."""
        self._start(())

    def action_down(self) -> None:
        """Move on."""
        self.query_one(DataTable).action_cursor_down()

    def action_up(self) -> None:
        """Move back."""
        self.query_one(DataTable).action_cursor_up()

    def _start(self, jobs: tuple[str, ...]) -> None:
        if self.desk.capture is not None:
            self.notify("a smoke job needs the machine itself; this is a recording", severity="warning", timeout=4)
        elif self.state.work is not None:
            self.notify("wait until what runs has ended", severity="warning", timeout=4)
        else:
            self._log.clear()
            self.face.jobs.smoke(jobs)

    @property
    def _log(self) -> Log:
        """The live output, which takes room from the first line on."""
        log = self.query_one(Log)
        log.display = True
        return log

    def _chosen(self) -> CheckInfo | None:
        jobs = self.state.look.jobs if self.state.look is not None else ()
        at = self.query_one(DataTable).cursor_row
        return jobs[at] if at < len(jobs) else None

    def _proofs(self, job: str) -> list[Proof]:
        return [proof for proof in self.state.proofs or [] if proof.job == job]

    def _show_jobs(self) -> None:
        jobs = self.state.look.jobs if self.state.look is not None else ()
        table, room = self.query_one(DataTable), max(10, self.size.width - sum(COLUMNS.values()) - 10)
        at = table.cursor_row
        table.clear()
        for job in jobs:
            last = [proof.lines[-1] for proof in self._proofs(job.id) if proof.current]
            worst = next((verdict for verdict in (Verdict.FAIL, Verdict.UNKNOWN, Verdict.WARN, Verdict.PASS)
                          if any(line.verdict == verdict.value for line in last)), None)
            table.add_row(job.id, mark(worst)[0] if worst is not None else "- not run",
                          clock(max(line.started for line in last)) if last else "",
                          shortened(job.title, room))
        if jobs:
            table.move_cursor(row=min(at, len(jobs) - 1))

    def _show_job(self) -> None:
        job = self._chosen()
        if job is None:
            return
        parts: list[Content | str] = [Content.styled(job.id, "bold"), f"{job.title}. {job.why}"]
        found = self.state.smoke.findings if self.state.smoke is not None else ()
        parts += [line_of(finding) for finding in found if finding.check == f"smoke.{job.id}"]
        for proof in sorted(self._proofs(job.id), key=lambda proof: proof.lines[-1].verdict == Verdict.PASS.value):
            limits = self.state.look.limits if self.state.look is not None else ()
            known = {name: (least, most) for uuid, name, least, most in limits if uuid == proof.subject}
            parts += ["", *_figures(proof, known)]
        self.query_one("#job", Static).update(lines(parts))


def _figures(proof: Proof, known: Mapping[str, tuple[float, float]]) -> list[Content | str]:
    """Return each figure: now, on the first day, the course since; beside what is `known` of such cards."""
    newest = proof.lines[-1]
    shown: list[Content | str] = [Content.assemble(
        mark(Verdict(newest.verdict)), " ", visible(proof.subject) or "this machine",
        (f", {len(proof.lines)} results, the last {clock(newest.started)}"
         f"{'' if proof.current else ', not in the newest run'}", "$text-muted"))]
    names = max(map(len, newest.figures), default=0)
    for name, value in newest.figures.items():
        course = [line.figures[name] for line in proof.lines if name in line.figures]
        highest = max(course) or 1.0
        first = proof.first_day.get(name)
        ratio = f"  {value / first:.0%} of first day's {first:.4g}" if first else ""
        drawn = sparkline([round(each / highest * 100) for each in course if each >= 0], CHART)
        shown.append(Content.assemble(f"  {name:<{names}} {value:>9.4g}  ", (drawn, "$text-accent"), ratio))
        if name in known:
            least, most = known[name]
            said = "✗ too slow" if value < least else "✗ too fast to be true" if value > most else "✓ as such cards do"
            style = "$text-success" if least <= value <= most else "$text-error"
            shown.append(Content.assemble(f"{'':{names + 14}}", (f"{bar(value / most, CHART)}  {said}", style),
                                          f": {least:.4g} to {most:.4g}"))
    return shown
