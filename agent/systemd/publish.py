"""The part of the history and of the drifts that the unprivileged exporter may see, in files of its own.

SQLite cannot read a write-ahead-log database without the right to write beside it, and the exporter has none. So root
writes a small copy of the newest entries after each scheduled look, whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from agent.model.errors import StateError
from agent.state.history import PARTIAL
from agent.state.jobs import NEWEST_RUN

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FOLDER, FILE = "public", "history.sqlite"
KEPT = 40  # newest entries, and beyond them the newest of every kind and level, whole and partial
_COPY = f"""
CREATE TABLE entry AS SELECT * FROM source.entry WHERE id IN (
  SELECT id FROM (SELECT id FROM source.entry ORDER BY id DESC LIMIT ?)
  UNION SELECT max(id) FROM source.entry GROUP BY machine, kind, level, summary LIKE '%{PARTIAL}')
"""  # noqa: S608 - made of constants


_DRIFT_TABLES = """
CREATE TABLE look AS SELECT * FROM source.look;
CREATE TABLE baseline AS SELECT DISTINCT machine FROM source.baseline;
CREATE TABLE drift (machine TEXT, ended REAL, document TEXT);
"""
_JOBS = f"""
CREATE TABLE job AS SELECT id, machine, job, subject, setting, started, duration_s, verdict, figures FROM source.job
  WHERE id IN ({NEWEST_RUN})
"""  # noqa: S608 - made of constants
DRIFT = "drift.sqlite"


def publish(state: Path) -> Path:
    """Write the files of `state`/public anew and return that of the history. Raises StateError.

    The folder above admits only root; whom it is bound to may read the files.
    """
    folder = state / FOLDER
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        folder.chmod(0o755)
    except OSError as error:
        raise StateError(f"{folder}: cannot be written: {error.strerror}") from error
    for name, copy in ((FILE, _copy_history), (DRIFT, _copy_drifts)):
        _publish_file(state / name, folder, copy)
    return folder / FILE


def renew(state: Path) -> None:
    """Write the published files anew where there are any: the exporter is installed. Raises StateError."""
    if (state / FOLDER).is_dir():
        publish(state)


def _publish_file(source: Path, folder: Path, copy: Callable[[sqlite3.Connection], None]) -> None:
    if not source.exists():
        return
    new = folder / f".{source.name}.new"
    try:
        new.unlink(missing_ok=True)
        os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600))
        with closing(sqlite3.connect(new, timeout=5, isolation_level=None)) as db:
            db.execute("ATTACH ? AS source", (str(source),))
            db.execute("BEGIN")
            version = int(db.execute("PRAGMA source.user_version").fetchone()[0])
            copy(db)
            db.execute(f"PRAGMA main.user_version = {version}")
            db.execute("COMMIT")
        new.chmod(0o644)
        new.replace(folder / source.name)
    except OSError as error:
        raise StateError(f"{folder}: cannot be written: {error.strerror}") from error
    except (sqlite3.Error, ValueError, KeyError) as error:
        raise StateError(f"{source}: cannot be copied for the exporter: {error}") from error
    finally:
        new.unlink(missing_ok=True)


def _copy_history(db: sqlite3.Connection) -> None:
    db.execute(_COPY, (KEPT,))
    if db.execute("SELECT 1 FROM source.sqlite_master WHERE name = 'job'").fetchone():
        db.execute(_JOBS)


def _copy_drifts(db: sqlite3.Connection) -> None:
    """Copy what is counted, without a value: those of a drift may be nobody's to read; a hash tells equal ones."""
    for statement in filter(str.strip, _DRIFT_TABLES.split(";")):
        db.execute(statement)
    for machine, document in db.execute("SELECT machine, document FROM source.drift WHERE ended IS NULL").fetchall():
        told = json.loads(document)
        after = hashlib.sha256(str(told["after"]).encode()).hexdigest()[:12]
        kept = {"against": told["against"], "area": told["area"], "key": told["key"], "before": "", "after": after}
        db.execute("INSERT INTO drift VALUES (?, NULL, ?)", (machine, json.dumps(kept)))
