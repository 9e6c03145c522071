"""Reading what is kept without touching it: for those who watch it (the exporter), also without rights to write."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from agent.model.document import report_from_document
from agent.model.errors import FirstlightError, StateError
from agent.state import drifts, history
from agent.state.history import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from agent.model.finding import Report

WINDOW = 200  # newest entries that are read at first
HISTORY, DRIFT = "history", "drift"
_KNOWN = {HISTORY: history.SCHEMA_VERSION, DRIFT: drifts.SCHEMA_VERSION}
_COLUMNS = "id, kind, machine, profile, level, started, finished, exit_code, summary, accepted"


class Watcher:
    """What is kept of one machine in a state folder, and which entries came since the last look."""

    def __init__(self, folder: Path, machine: str) -> None:
        self.machine = machine
        self._files = {name: folder / f"{name}.sqlite" for name in _KNOWN}
        self._db: sqlite3.Connection | None = None
        self._last = 0
        self._stamp: tuple[object, ...] = ()

    def changed(self) -> bool:
        """Return whether the files changed since the last time this was asked; costs four stats."""
        stamp: tuple[object, ...] = ()
        for file in self._files.values():
            stamp += _stamp(file) + _stamp(file.with_name(f"{file.name}-wal"))
        changed, self._stamp = stamp != self._stamp, stamp
        return changed

    @contextmanager
    def look(self) -> Iterator[None]:
        """Let everything inside read through one connection, which takes in a file when it is first asked for."""
        with closing(sqlite3.connect(":memory:", uri=True, timeout=2)) as self._db:
            try:
                yield
            finally:
                self._db = None

    def rows(self, file: str, table: str, question: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        """Return the rows of a table in file `history` or `drift`; none without the file or the table.

        Raises StateError.
        """
        if self._db is None:
            with self.look():
                return self.rows(file, table, question, values)
        path = self._files[file]
        try:
            if not path.exists():
                return []
            self._attach(self._db, file, path)
            there = self._db.execute(f"SELECT 1 FROM {file}.sqlite_master WHERE name = ?", (table,))  # noqa: S608
            return self._db.execute(question, values).fetchall() if there.fetchone() else []
        except (sqlite3.Error, OSError) as error:
            raise StateError(f"{path}: cannot be read: {error}") from error

    def news(self) -> Iterator[tuple[Entry, Report | None]]:
        """Yield new entries, oldest first, with the report of a check. Raises StateError; no file is no entry."""
        newest = self.rows(HISTORY, "entry", "SELECT coalesce(max(id), 0) FROM entry", ())
        if not newest or newest[0][0] < self._last:  # another file has taken its place
            self._last = 0
        rows = self.rows(HISTORY, "entry",
                         f"SELECT {_COLUMNS} FROM entry WHERE id > ? AND machine = ? ORDER BY id DESC LIMIT ?",  # noqa: S608
                         (self._last, self.machine, WINDOW))
        for row in reversed(rows):
            entry = Entry(*(*row[:-1], bool(row[-1])))
            yield entry, self._report(entry)
            self._last = entry.id

    def _attach(self, db: sqlite3.Connection, file: str, path: Path) -> None:
        if file in {row[1] for row in db.execute("PRAGMA database_list")}:
            return
        db.execute(f"ATTACH ? AS {file}", (f"{path.absolute().as_uri()}?mode=ro",))
        version = db.execute(f"PRAGMA {file}.user_version").fetchone()[0]
        if version > _KNOWN[file]:
            raise StateError(f"{path}: written by a newer Firstlight (schema {version})")

    def _report(self, entry: Entry) -> Report | None:
        if entry.kind != "check":
            return None
        rows = self.rows(HISTORY, "entry", "SELECT document FROM entry WHERE id = ?", (entry.id,))
        try:
            return report_from_document(json.loads(rows[0][0]), f"report {entry.id}") if rows else None
        except (ValueError, FirstlightError):
            return None  # a damaged report is not shown; the others are


def _stamp(file: Path) -> tuple[object, ...]:
    try:
        seen = file.stat()
    except OSError as error:
        return (error.errno,)
    return (seen.st_mtime_ns, seen.st_size, seen.st_ino)
