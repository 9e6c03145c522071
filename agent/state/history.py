"""Earlier reports and runs, in one SQLite file."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from agent.model.document import counts, report_from_document, report_to_document
from agent.model.errors import FirstlightError, StateError
from agent.model.verdict import exit_code
from agent.state.folder import make_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import Self

    from agent.model.finding import Report
    from agent.model.plan import Run

SCHEMA_VERSION = 1
PARTIAL = ", chosen checks only"  # ends the summary of a report that left checks of its level out
KEPT_RUNS, KEPT_DAYS = 1000, 180
BUSY_MS = 5000
_TABLES = """
CREATE TABLE entry (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL, machine TEXT NOT NULL, profile TEXT NOT NULL, level TEXT NOT NULL,
  started REAL NOT NULL, finished REAL NOT NULL, exit_code INTEGER NOT NULL, summary TEXT NOT NULL,
  accepted INTEGER NOT NULL DEFAULT 0, document TEXT NOT NULL
);
CREATE INDEX entry_by_time ON entry (started);
"""
_COLUMNS = "id, kind, machine, profile, level, started, finished, exit_code, summary, accepted"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the history. `kind`: check, plan or apply; times in seconds since the epoch."""

    id: int
    kind: str
    machine: str
    profile: str
    level: str
    started: float
    finished: float
    exit_code: int
    summary: str
    accepted: bool


class History:
    """The history in one folder. Every method raises StateError when the file cannot be used."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "history.sqlite"
        self.notice = ""
        make_folder(folder)
        try:
            self._db = self._open()
        except sqlite3.OperationalError as error:
            raise self._unusable(error) from error
        except sqlite3.DatabaseError:
            self.notice = (
                f"{self.file} was damaged; it is kept as {self._set_aside()} and a new history begins"
            )
            with self._guard():
                self._db = self._open()

    def add_report(self, report: Report) -> int:
        """Keep a report; return its number."""
        document = report_to_document(report)
        found = counts(report.findings)
        summary = ", ".join(f"{number} {verdict}" for verdict, number in found.items() if number)
        summary += PARTIAL if report.partial else ""
        code = exit_code(finding.verdict for finding in report.findings)
        return self._add(
            "check",
            report.machine,
            report.profile,
            report.level,
            report.started,
            report.finished,
            code,
            summary,
            document,
        )

    def add_run(self, run: Run, machine: str) -> int:
        """Keep a plan or an apply; return its number."""
        summary = f"{run.outcome.value}, {len(run.changes)} changes"
        return self._add(
            run.kind,
            machine,
            run.profile,
            "",
            run.started,
            run.finished,
            0 if run.outcome.value == "done" else 3,
            summary,
            asdict(run),
        )

    def entries(self, limit: int = 20, kind: str | None = None) -> list[Entry]:
        """Return the newest entries, newest first."""
        with self._guard():
            rows = self._db.execute(
                f"SELECT {_COLUMNS} FROM entry WHERE kind = coalesce(?, kind) ORDER BY id DESC LIMIT ?",  # noqa: S608
                (kind, limit),
            ).fetchall()
        return [Entry(*(*row[:-1], bool(row[-1]))) for row in rows]

    def report(self, number: int) -> Report:
        """Return a kept report. Raises FirstlightError when there is none of that number."""
        with self._guard():
            row = self._db.execute("SELECT kind, document FROM entry WHERE id = ?", (number,)).fetchone()
        if row is None:
            raise FirstlightError(f"report {number}: not in the history", "see: firstlight report list")
        if row[0] != "check":
            raise FirstlightError(
                f"report {number}: is a run of {row[0]}, not a report", "see: firstlight report list"
            )
        return report_from_document(json.loads(row[1]), f"report {number}")

    def run_document(self, number: int) -> dict[str, Any]:
        """Return the document of a kept run. Raises FirstlightError when there is none of that number."""
        with self._guard():
            row = self._db.execute("SELECT document FROM entry WHERE id = ? AND kind != 'check'", (number,)).fetchone()
        if row is None:
            raise FirstlightError(f"run {number}: not in the history", "see: firstlight report list")
        return dict(json.loads(row[0]))

    def runs_since(self, moment: float) -> list[dict[str, Any]]:
        """Return the documents of the applies that ended since a moment, oldest first."""
        with self._guard():
            rows = self._db.execute(
                "SELECT document FROM entry WHERE kind = 'apply' AND finished >= ? ORDER BY id", (moment,)
            ).fetchall()
        return [json.loads(row[0]) for row in rows]

    def accept(self, number: int) -> None:
        """Make a report the baseline of its machine."""
        machine = self.report(number).machine
        with self._guard(), self._db:
            self._db.execute("UPDATE entry SET accepted = (id = ?) WHERE machine = ?", (number, machine))

    def find_baseline(self, machine: str) -> Report | None:
        """Return the accepted report of a machine, or None."""
        with self._guard():
            row = self._db.execute(
                "SELECT id FROM entry WHERE accepted AND machine = ?", (machine,)
            ).fetchone()
        return self.report(row[0]) if row else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """Run one statement on tables that other modules of this package keep in the same file; return its rows."""
        with self._guard(), self._db:
            return self._db.execute(statement, values).fetchall()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _add(self, *values: Any) -> int:
        *plain, document = values
        text = json.dumps(document, separators=(",", ":"))
        with self._guard(), self._db:
            cursor = self._db.execute(
                "INSERT INTO entry (kind, machine, profile, level, started, finished, exit_code, summary,"
                " document) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*plain, text),
            )
            number = int(cursor.lastrowid or 0)
            self._db.execute(
                "DELETE FROM entry WHERE NOT accepted AND id != ? AND (id <= ? OR started < ?)",
                (number, number - KEPT_RUNS, time.time() - KEPT_DAYS * 86400),
            )
        return number

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.file, timeout=BUSY_MS / 1000, isolation_level="IMMEDIATE")
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version > SCHEMA_VERSION:
                raise StateError(
                    f"{self.file}: written by a newer Firstlight (schema {version})",
                    "update Firstlight, or name another folder in FIRSTLIGHT_STATE",
                )
            if version == 0:
                db.executescript(
                    f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
                )
            else:
                db.execute("SELECT count(*) FROM entry").fetchone()
        except BaseException:
            db.close()
            raise
        self.file.chmod(0o600)
        return db

    def _set_aside(self) -> Path:
        kept = self.file.with_name(
            f"{self.file.name}.damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
        )
        try:
            for ending in ("-wal", "-shm"):
                self.file.with_name(self.file.name + ending).unlink(missing_ok=True)
            return self.file.replace(kept)
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> StateError:
        return StateError(
            f"{self.file}: the history cannot be used: {error}",
            f"look at its owner and the space left: ls -l {self.file.parent}",
        )

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._unusable(error) from error
