"""Baselines and the history of drifts, in one SQLite file beside the history of reports."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from agent.model.drift import Baseline, Drift, Fingerprint, KeptDrift
from agent.model.errors import StateError
from agent.state.folder import make_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SCHEMA_VERSION = 1
KEPT_DAYS, KEPT_BASELINES = 365, 50
_TABLES = """
CREATE TABLE baseline (id INTEGER PRIMARY KEY, machine TEXT NOT NULL, accepted REAL NOT NULL, reason TEXT NOT NULL,
  who TEXT NOT NULL, fingerprint TEXT NOT NULL);
CREATE TABLE look (machine TEXT PRIMARY KEY, taken REAL NOT NULL);
CREATE TABLE drift (id INTEGER PRIMARY KEY, machine TEXT NOT NULL, against TEXT NOT NULL, area TEXT NOT NULL,
  key TEXT NOT NULL, first_seen REAL NOT NULL, last_seen REAL NOT NULL, ended REAL, put_back TEXT NOT NULL DEFAULT '',
  document TEXT NOT NULL);
CREATE INDEX drift_by_machine ON drift (machine, ended);
"""


class Drifts:
    """What is remembered about drift, in one folder. Every method raises StateError when the file cannot be used."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "drift.sqlite"
        make_folder(folder)
        with self._opened():
            pass

    def accept(self, baseline: Baseline) -> None:
        """Make a fingerprint the baseline of its machine; the drifts from the one before are settled by it."""
        machine = baseline.fingerprint.machine
        with self._opened() as db:
            db.execute(
                "INSERT INTO baseline (machine, accepted, reason, who, fingerprint) VALUES (?, ?, ?, ?, ?)",
                (
                    machine,
                    baseline.accepted,
                    baseline.reason,
                    baseline.by,
                    json.dumps(asdict(baseline.fingerprint)),
                ),
            )
            db.execute(
                "UPDATE drift SET ended = ?, put_back = ? WHERE machine = ? AND against = 'baseline' AND ended IS NULL",
                (baseline.accepted, f"accepted by {baseline.by}: {baseline.reason}", machine),
            )
            db.execute(
                "DELETE FROM baseline WHERE machine = ? AND id NOT IN (SELECT id FROM baseline WHERE machine = ?"
                " ORDER BY id DESC LIMIT ?)",
                (machine, machine, KEPT_BASELINES),
            )

    def find_baseline(self, machine: str) -> Baseline | None:
        """Return the newest accepted baseline of a machine, or None."""
        with self._opened() as db:
            row = db.execute(
                "SELECT accepted, reason, who, fingerprint FROM baseline WHERE machine = ?"
                " ORDER BY id DESC LIMIT 1",
                (machine,),
            ).fetchone()
        return Baseline(Fingerprint(**json.loads(row[3])), *row[:3]) if row else None

    def last_look(self, machine: str) -> float:
        """Return when this machine was last looked at, 0 for never."""
        with self._opened() as db:
            row = db.execute("SELECT taken FROM look WHERE machine = ?", (machine,)).fetchone()
        return float(row[0]) if row else 0.0

    def open_drifts(self, machine: str) -> dict[tuple[str, str, str], KeptDrift]:
        """Return the drifts that were still there at the last look, by identity."""
        return {kept.drift.identity: kept for kept in self._kept("machine = ? AND ended IS NULL", machine)}

    def since(self, machine: str, moment: float) -> list[KeptDrift]:
        """Return the drifts that came, changed or ended since a moment, oldest first."""
        return self._kept(
            "machine = ? AND (ended >= ? OR (ended IS NULL AND first_seen >= ?))", machine, moment, moment
        )

    def note(self, machine: str, taken: float, drifts: Sequence[Drift], ended: Sequence[KeptDrift]) -> None:
        """Keep what a look has found: new drifts, those that are still there, those that are gone (with put_back)."""
        known = self.open_drifts(machine)
        with self._opened() as db:
            db.execute(
                "INSERT INTO look VALUES (?, ?) ON CONFLICT (machine) DO UPDATE SET taken = excluded.taken",
                (machine, taken),
            )
            for drift in drifts:
                self._keep(db, machine, taken, drift, known.get(drift.identity))
            for kept in ended:
                self._end(db, machine, taken, kept.drift, kept.put_back)
            db.execute("DELETE FROM drift WHERE ended < ?", (taken - KEPT_DAYS * 86400,))

    def _keep(self, db: sqlite3.Connection, machine: str, taken: float, drift: Drift, known: KeptDrift | None) -> None:
        if known is not None and known.drift.after == drift.after:
            db.execute(
                "UPDATE drift SET last_seen = ? WHERE machine = ? AND ended IS NULL AND against = ?"
                " AND area = ? AND key = ?",
                (taken, machine, *drift.identity),
            )
            return
        if known is not None:
            self._end(db, machine, taken, drift, "changed once more")
        db.execute(
            "INSERT INTO drift (machine, against, area, key, first_seen, last_seen, document)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (machine, *drift.identity, taken, taken, json.dumps(asdict(drift))),
        )

    def _end(self, db: sqlite3.Connection, machine: str, taken: float, drift: Drift, put_back: str) -> None:
        db.execute(
            "UPDATE drift SET ended = ?, put_back = ? WHERE machine = ? AND ended IS NULL AND against = ?"
            " AND area = ? AND key = ?",
            (taken, put_back, machine, *drift.identity),
        )

    def _kept(self, condition: str, *values: object) -> list[KeptDrift]:
        with self._opened() as db:
            rows = db.execute(
                f"SELECT document, first_seen, last_seen, ended, put_back FROM drift WHERE {condition} ORDER BY id",  # noqa: S608
                values,
            ).fetchall()
        return [KeptDrift(Drift(**json.loads(row[0])), *row[1:]) for row in rows]

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """Open the file for one transaction; in between it is closed, for whoever holds this object rarely asks."""
        try:
            with closing(sqlite3.connect(self.file, timeout=5.0, isolation_level="IMMEDIATE")) as db, db:
                self._prepare(db)
                yield db
        except sqlite3.Error as error:
            raise StateError(
                f"{self.file}: cannot be used: {error}",
                f"look at its owner and the space left: ls -l {self.file.parent}; a damaged file may be"
                " moved away, the baseline must then be accepted again",
            ) from error

    def _prepare(self, db: sqlite3.Connection) -> None:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise StateError(
                f"{self.file}: written by a newer Firstlight (schema {version})",
                "update Firstlight, or name another folder in FIRSTLIGHT_STATE",
            )
        if version == 0:
            db.execute("PRAGMA journal_mode = WAL")
            db.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
        self.file.chmod(0o600)
