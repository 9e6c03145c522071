"""Reading what drifted and what the smoke jobs measured without touching it: for those who watch (the exporter)."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from agent.model.drift import Drift
from agent.model.errors import StateError
from agent.model.job import JobLine
from agent.state import drifts, history

if TYPE_CHECKING:
    from pathlib import Path

_LINES = ("SELECT machine, job, subject, setting, started, duration_s, verdict, figures FROM job WHERE id IN"
          " (SELECT max(id) FROM job WHERE machine = ? GROUP BY job, subject)")


class Measured:
    """The drifts and job results of one machine in a state folder. Every method raises StateError."""

    def __init__(self, folder: Path, machine: str) -> None:
        self.files = (folder / "drift.sqlite", folder / "history.sqlite")
        self._machine = machine

    def open_drifts(self) -> tuple[float, list[Drift]] | None:
        """Return when drift was last looked for (epoch s) and what is there; None when it never was."""
        found = self._rows(self.files[0], drifts.SCHEMA_VERSION, "look", "SELECT taken FROM look WHERE machine = ?")
        if not found:
            return None
        rows = self._rows(self.files[0], drifts.SCHEMA_VERSION, "drift",
                          "SELECT document FROM drift WHERE machine = ? AND ended IS NULL")
        return float(found[0][0]), [Drift(**json.loads(row[0])) for row in rows]

    def has_baseline(self) -> bool:
        """Return whether the machine was ever accepted as it is."""
        return bool(self._rows(self.files[0], drifts.SCHEMA_VERSION, "baseline",
                               "SELECT 1 FROM baseline WHERE machine = ? LIMIT 1"))

    def newest_results(self) -> list[JobLine]:
        """Return the newest result of each job on each GPU, without its document."""
        rows = self._rows(self.files[1], history.SCHEMA_VERSION, "job", _LINES)
        return [JobLine(machine, job, subject, setting, started, duration_s, verdict, json.loads(figures), {})
                for machine, job, subject, setting, started, duration_s, verdict, figures in rows]

    def _rows(self, file: Path, newest: int, table: str, question: str) -> list[tuple[Any, ...]]:
        """Return the rows; none without the file or the table."""
        if not file.exists():
            return []
        try:
            with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=2)) as db:
                if db.execute("PRAGMA user_version").fetchone()[0] > newest:
                    raise StateError(f"{file}: written by a newer Firstlight")
                if not db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
                    return []
                return db.execute(question, (self._machine,)).fetchall()
        except (sqlite3.Error, OSError, ValueError) as error:
            raise StateError(f"{file}: cannot be read: {error}") from error
