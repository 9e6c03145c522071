"""Reading the history without touching it: for those who watch it (the exporter), also without rights to write."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from agent.model.document import report_from_document
from agent.model.errors import FirstlightError, StateError
from agent.state.history import SCHEMA_VERSION, Entry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.model.finding import Report

WINDOW = 200  # newest entries that are read at first
_COLUMNS = "id, kind, machine, profile, level, started, finished, exit_code, summary, accepted"


class Watcher:
    """The entries of one machine that came since the last look."""

    def __init__(self, folder: Path, machine: str) -> None:
        self._file = folder / "history.sqlite"
        self._drifts = folder / "drift.sqlite"
        self._machine = machine
        self._last = 0
        self._stamp: tuple[object, ...] = ()

    def changed(self) -> bool:
        """Return whether the files changed since the last time this was asked; costs four stats."""
        stamp: tuple[object, ...] = ()
        for file in (self._file, self._drifts):
            stamp += _stamp(file) + _stamp(file.with_name(f"{file.name}-wal"))
        changed, self._stamp = stamp != self._stamp, stamp
        return changed

    def news(self) -> Iterator[tuple[Entry, Report | None]]:
        """Yield new entries, oldest first, with the report of a check. Raises StateError; no file is no entry."""
        if not self._file.exists():
            self._last = 0
            return
        try:
            with closing(sqlite3.connect(f"{self._file.as_uri()}?mode=ro", uri=True, timeout=2)) as db:
                version = db.execute("PRAGMA user_version").fetchone()[0]
                if version > SCHEMA_VERSION:
                    raise StateError(f"{self._file}: written by a newer Firstlight (schema {version})")
                newest = db.execute("SELECT coalesce(max(id), 0) FROM entry").fetchone()[0]
                if newest < self._last:  # another file has taken its place
                    self._last = 0
                rows = db.execute(
                    f"SELECT {_COLUMNS} FROM entry WHERE id > ? AND machine = ? ORDER BY id DESC LIMIT ?",  # noqa: S608
                    (self._last, self._machine, WINDOW),
                ).fetchall()
                for row in reversed(rows):
                    entry = Entry(*(*row[:-1], bool(row[-1])))
                    yield entry, self._report(db, entry)
                    self._last = entry.id
        except (sqlite3.Error, OSError) as error:
            raise StateError(f"{self._file}: the history cannot be read: {error}") from error

    @staticmethod
    def _report(db: sqlite3.Connection, entry: Entry) -> Report | None:
        if entry.kind != "check":
            return None
        row = db.execute("SELECT document FROM entry WHERE id = ?", (entry.id,)).fetchone()
        try:
            return report_from_document(json.loads(row[0]), f"report {entry.id}") if row else None
        except (ValueError, FirstlightError):
            return None  # a damaged report is not shown; the others are


def _stamp(file: Path) -> tuple[object, ...]:
    try:
        seen = file.stat()
    except OSError as error:
        return (error.errno,)
    return (seen.st_mtime_ns, seen.st_size, seen.st_ino)
