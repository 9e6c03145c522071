"""Reading what drifted and what the smoke jobs measured without touching it: for those who watch (the exporter)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from agent.model.drift import Drift
from agent.model.errors import StateError
from agent.model.job import JobLine
from agent.state.jobs import NEWEST_RUN
from agent.state.reading import DRIFT, HISTORY

if TYPE_CHECKING:
    from agent.state.reading import Watcher

_LINES = ("SELECT machine, job, subject, setting, started, duration_s, verdict, figures FROM job"  # noqa: S608 - made of constants
          " WHERE machine = ?"
          f" AND id IN ({NEWEST_RUN})")


class Measured:
    """The drifts and job results of the machine that is watched. Every method raises StateError."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._machine = (watcher.machine,)

    def open_drifts(self) -> tuple[float, list[Drift]] | None:
        """Return when drift was last looked for (epoch s) and what is there; None when it never was."""
        found = self._watcher.rows(DRIFT, "look", "SELECT taken FROM look WHERE machine = ?", self._machine)
        if not found:
            return None
        rows = self._watcher.rows(
            DRIFT, "drift", "SELECT document FROM drift.drift WHERE machine = ? AND ended IS NULL", self._machine)
        try:
            return float(found[0][0]), [Drift(**json.loads(row[0])) for row in rows]
        except ValueError as error:
            raise StateError(f"the kept drifts cannot be read: {error}") from error

    def has_baseline(self) -> bool:
        """Return whether the machine was ever accepted as it is."""
        return bool(self._watcher.rows(
            DRIFT, "baseline", "SELECT 1 FROM baseline WHERE machine = ? LIMIT 1", self._machine))

    def newest_results(self) -> list[JobLine]:
        """Return the results of each job's newest run on this machine, by GPU, without documents.

        A card that was replaced since, or a server elsewhere, does not stand for this machine.
        """
        try:
            return [JobLine(machine, job, subject, setting, started, duration_s, verdict, json.loads(figures), {})
                    for machine, job, subject, setting, started, duration_s, verdict, figures
                    in self._watcher.rows(HISTORY, "job", _LINES, self._machine)]
        except ValueError as error:
            raise StateError(f"the kept job results cannot be read: {error}") from error
