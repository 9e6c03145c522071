"""Results of smoke jobs by machine: all of the last half year, and those of the first day for ever."""

from __future__ import annotations

import json
import statistics
from typing import TYPE_CHECKING

from agent.model.job import REMOTE, JobLine

if TYPE_CHECKING:
    from agent.state.history import History

FIRST_DAY_S, KEPT_S = 86_400.0, 180 * 86_400.0
_TABLE = """
CREATE TABLE IF NOT EXISTS job (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  machine TEXT NOT NULL, job TEXT NOT NULL, subject TEXT NOT NULL, setting TEXT NOT NULL,
  started REAL NOT NULL, duration_s REAL NOT NULL, verdict TEXT NOT NULL, figures TEXT NOT NULL, document TEXT NOT NULL
)"""

# Results of one run began at the same moment.
NEWEST_RUN = f"""
SELECT max(id) FROM job WHERE setting NOT LIKE '{REMOTE}%' AND (machine, job, started) IN (
  SELECT machine, job, started FROM job WHERE id IN (
    SELECT max(id) FROM job WHERE setting NOT LIKE '{REMOTE}%' GROUP BY machine, job))
GROUP BY machine, job, subject"""  # noqa: S608 - made of constants


class JobHistory:
    """The job results in the history's file. Every method raises StateError when it cannot be used."""

    def __init__(self, history: History) -> None:
        self._history = history
        history.execute(_TABLE)

    def add(self, line: JobLine) -> None:
        """Keep a result; results older than half a year go, those of the first day stay."""
        self._history.execute(
            "INSERT INTO job (machine, job, subject, setting, started, duration_s, verdict, figures, document)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (line.machine, line.job, line.subject, line.setting, line.started, line.duration_s, line.verdict,
             json.dumps(line.figures), json.dumps(line.document)))
        first = self._first(line.machine, line.job, line.subject, line.setting)
        self._history.execute(
            "DELETE FROM job WHERE machine = ? AND job = ? AND subject = ? AND setting = ? AND started > ?"
            " AND started < ?",
            (line.machine, line.job, line.subject, line.setting, first + FIRST_DAY_S, line.started - KEPT_S))

    def first_day(self, machine: str, job: str, subject: str, setting: str) -> dict[str, float]:
        """Return the median of each figure over the passes of the first day; empty when there was none."""
        first = self._first(machine, job, subject, setting)
        rows = self._history.execute(
            "SELECT figures FROM job WHERE machine = ? AND job = ? AND subject = ? AND setting = ?"
            " AND verdict = 'pass' AND started <= ?", (machine, job, subject, setting, first + FIRST_DAY_S))
        seen: dict[str, list[float]] = {}
        for (figures,) in rows:
            for name, value in json.loads(figures).items():
                seen.setdefault(name, []).append(value)
        return {name: statistics.median(values) for name, values in seen.items()}

    def lines(self, machine: str, job: str = "", limit: int = 20) -> list[JobLine]:
        """Return the newest results of a machine (and job), newest first."""
        rows = self._history.execute(
            "SELECT machine, job, subject, setting, started, duration_s, verdict, figures, document FROM job"
            " WHERE machine = ? AND (? = '' OR job = ?) ORDER BY id DESC LIMIT ?", (machine, job, job, limit))
        return [JobLine(machine_, job_, subject, setting, started, duration_s, verdict, json.loads(figures),
                        json.loads(document))
                for machine_, job_, subject, setting, started, duration_s, verdict, figures, document in rows]

    def newest(self) -> list[tuple[float, str]]:
        """Return when the newest run of each job here began (epoch s), and its verdict on each GPU."""
        rows = self._history.execute(f"SELECT started, verdict FROM job WHERE id IN ({NEWEST_RUN})")  # noqa: S608 - a constant
        return [(float(started), str(verdict)) for started, verdict in rows]

    def forget(self, machine: str, job: str) -> None:
        """Forget every result of a job, so that the next pass begins a new first day."""
        self._history.execute("DELETE FROM job WHERE machine = ? AND job = ?", (machine, job))

    def close(self) -> None:
        """Close the history it is kept in."""
        self._history.close()

    def _first(self, *key: str) -> float:
        """Return when the first pass was; 0 without one."""
        rows = self._history.execute(
            "SELECT min(started) FROM job WHERE machine = ? AND job = ? AND subject = ? AND setting = ?"
            " AND verdict = 'pass'", key)
        return float(rows[0][0] or 0.0)
