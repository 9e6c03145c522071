"""The part of the composition root for `firstlight drift`: joins fingerprint, checks, baseline and history."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

from agent.model.drift import Baseline, DriftReport, Fingerprint
from agent.model.errors import FirstlightError, StateError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent.app import App
    from agent.drift.logs import Span
    from agent.drift.look import Look
    from agent.model.drift import Drift, KeptDrift
    from agent.model.finding import Report
    from agent.state.drifts import Drifts

PROFILE, BASELINE = "profile", "baseline"


class DriftWatch:
    """Looks for drift on the machine of an App."""

    def __init__(self, app: App) -> None:
        self._app = app

    @functools.cached_property
    def fingerprint(self) -> Fingerprint:
        """What the machine is now. Raises Unobservable only when not even its name can be read."""
        from agent.drift.fingerprint import observe_fingerprint

        return observe_fingerprint(self._app.machine, self._app.hardware, self._app.resolved)

    @functools.cached_property
    def name(self) -> Fingerprint:
        """A fingerprint without facts: whose it would be, and the time. Raises Unobservable."""
        from agent.drift.fingerprint import observe_name

        return observe_name(self._app.machine, self._app.hardware, self._app.resolved)

    @functools.cached_property
    def store(self) -> Drifts:
        """Baselines and earlier drifts. Raises StateError."""
        from agent.state.drifts import Drifts
        from agent.state.folder import state_folder

        return Drifts(state_folder())

    def find_baseline(self) -> Baseline | None:
        """Return the accepted baseline of this machine, or None."""
        if self._app.recording is not None and not self._has_state():
            return None
        return self.store.find_baseline(self.name.machine)

    def accept(self, reason: str, by: str, areas: Sequence[str] = ()) -> Baseline:
        """Make what the machine is now its baseline; with `areas`, these only. Raises UsageError, StateError."""
        if self._app.recording is not None:
            raise UsageError("a recorded machine cannot be accepted", "accept on the machine itself")
        self._refuse_unseen()
        taken = self.fingerprint
        old = self.find_baseline()
        if areas and old is not None:
            kept = {
                **old.fingerprint.facts,
                **{area: taken.facts[area] for area in areas if area in taken.facts},
            }
            taken = replace(taken, facts=kept, unread={**old.fingerprint.unread, **taken.unread})
        baseline = Baseline(taken, self._app.machine.clock(), reason, by)
        self.store.accept(baseline)
        return baseline

    def _refuse_unseen(self) -> None:
        """Raise UsageError for a baseline that neither root's look for drift nor the exporter would see."""
        from agent.state.folder import find_machines_folder, state_folder

        machines = find_machines_folder()
        if machines is not None:
            raise UsageError(
                f"the baseline of this machine stands in {machines}, and one in {state_folder()} would not be seen "
                "by root or the exporter",
                "accept with sudo; FIRSTLIGHT_STATE names a folder for a baseline of your own",
            )

    def look(
        self,
        *,
        against: Sequence[str] = (),
        only: Sequence[str] = (),
        other: Fingerprint | None = None,
        save: bool = True,
        facts: bool = False,
        warn: Callable[[str], None] = lambda text: None,
    ) -> DriftReport:
        """Look once. `against`: profile, baseline, or both; `other`: another fingerprint instead of the baseline.

        `only` limits to areas of the fingerprint and to checks. What is found is kept in the history of drifts.
        The fingerprint is taken when it is compared, or asked for by `facts`.
        """
        baseline = self.find_baseline() if BASELINE in against else None
        look = self._new_look(baseline, self.fingerprint if facts or baseline or other else self.name)
        drifts: list[Drift] = []
        unseen: dict[str, str] = {}
        if PROFILE in against:
            found, blind = look.against_profile(self._check())
            drifts, unseen = drifts + found, unseen | blind
        for before, name in (
            (baseline.fingerprint if baseline else None, BASELINE),
            (other, other.machine if other else ""),
        ):
            if before is not None:
                found, blind = look.against(before, name)
                drifts, unseen = drifts + found, unseen | blind
        if only:
            drifts = [drift for drift in drifts if _named(drift, only)]
        report = DriftReport(look.now, tuple(drifts), unseen, (), baseline, tuple(against), look.ignore)
        return (
            self._noted(report, look, warn) if save and not only and self._app.recording is None else report
        )

    def _noted(self, report: DriftReport, look: Look, warn: Callable[[str], None]) -> DriftReport:
        """Keep the report's drifts; return it with those that ended, and what put them back."""
        from agent.drift.look import ended

        gone: list[KeptDrift] = []
        try:
            gone = [
                replace(kept, ended=report.fingerprint.taken, put_back=look.put_back(kept))
                for kept in ended(look.known, report.drifts, report.against, report.unseen)
            ]
            drifts = [drift for drift in report.drifts if drift.against in (PROFILE, BASELINE)]
            self.store.note(report.fingerprint.machine, report.fingerprint.taken, drifts, gone)
        except StateError as error:
            warn(f"the drifts are not kept: {error.message}")
        return replace(report, ended=tuple(gone))

    def _new_look(self, baseline: Baseline | None, now: Fingerprint) -> Look:
        from agent.drift.look import Look

        known: dict[tuple[str, str, str], KeptDrift] = {}
        last_look = baseline.fingerprint.taken if baseline else 0.0
        if self._app.recording is None and self._has_state():
            known = self.store.open_drifts(now.machine)
            last_look = max(self.store.last_look(now.machine), last_look)
            if last_look > now.taken:  # the clock was wrong then, or is now
                last_look = 0.0
        return Look(
            self._app.machine,
            now,
            known=known,
            last_look=last_look,
            runs=lambda: [] if self._app.recording is not None else self._own_runs(last_look),
            ignore=self._app.resolved.profile.drift.ignore,
        )

    def _own_runs(self, moment: float) -> list[Span]:
        """Return our own applies since a moment; none when the history cannot be read."""
        from agent.drift.logs import Span

        try:
            history = self._app.history()
            try:
                found = history.runs_since(moment)
            finally:
                history.close()
        except StateError:
            return []
        return [Span(run["started"], run["finished"], f"firstlight apply {run['id']}") for run in found]

    def _has_state(self) -> bool:
        from agent.state.folder import state_folder

        return (state_folder() / "drift.sqlite").exists()

    def _check(self) -> Report:
        """Run the checks whose values a role of this profile keeps, those that load the machine left out."""
        import checks
        from agent.engine.discovery import load_kept
        from agent.provision.variables import sections

        roles = [role for role, section in sections(self._app.resolved).items() if getattr(section, "enabled", True)]
        kept = load_kept(checks, roles)
        return self._app.observe(kept, level="standard")[0]


def between(before: Fingerprint, now: Fingerprint, ignore: Sequence[str], only: Sequence[str] = ()) -> DriftReport:
    """Return what is different between two reports; by what stands in neither."""
    from agent.drift.areas import OWN
    from agent.drift.comparison import compare
    from agent.model.drift import Drift

    other = before.machine != now.machine
    found, unseen = compare(before, now, ignore=ignore, left_out=OWN if other else frozenset())
    earliest = 0.0 if other or before.taken > now.taken else before.taken
    drifts = [Drift(before.machine, item.area, item.key, item.before, item.after, earliest=earliest)
              for item in found if not only or item.area in only]
    return DriftReport(now, tuple(drifts), unseen, ignore=tuple(ignore))


def _named(drift: Drift, only: Sequence[str]) -> bool:
    check = drift.key.partition(" ")[0] if drift.area == "check" else ""
    return any(word in (drift.area, check, check.partition(".")[0]) for word in only)


def load_fingerprint(name: str) -> Fingerprint:
    """Return the fingerprint in the file of a drift report. Raises FirstlightError."""
    import json
    from pathlib import Path

    from agent.drift.document import fingerprint_from_document

    try:
        document = json.loads(Path(name).read_bytes())
    except (OSError, ValueError) as error:
        raise FirstlightError(
            f"{name}: cannot be read: {error}", "name a file made by: firstlight drift --facts -o json"
        ) from error
    return fingerprint_from_document(document, name)
