"""The part of the history that the unprivileged exporter may see, in files of its own.

SQLite cannot read a write-ahead-log database without the right to write beside it, and the exporter has none. So root
writes a small copy of the newest entries, and the last looks for drift, after each scheduled look, whole or not at all.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from agent.model.errors import StateError
from agent.state.atomic import write_atomic
from agent.state.drift_summary import FILE as DRIFT

FOLDER, FILE = "public", "history.sqlite"
KEPT = 40  # newest entries, and beyond them the newest of every kind and level
_COPY = """
CREATE TABLE entry AS SELECT * FROM source.entry WHERE id IN (
  SELECT id FROM (SELECT id FROM source.entry ORDER BY id DESC LIMIT ?)
  UNION SELECT max(id) FROM source.entry GROUP BY machine, kind, level)
"""


def publish(state: Path) -> Path:
    """Write `state`/public/history.sqlite anew from the history and return it. Raises StateError.

    The folder above admits only root; whom it is bound to may read the file.
    """
    folder, source = state / FOLDER, state / FILE
    new = folder / f".{FILE}.new"
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        folder.chmod(0o755)
        new.unlink(missing_ok=True)
        if source.exists():
            _copy(source, new)
            new.chmod(0o644)
            new.replace(folder / FILE)
        if (state / DRIFT).exists():
            write_atomic(folder / DRIFT, (state / DRIFT).read_text(encoding="utf-8"), 0o644)
    except OSError as error:
        raise StateError(f"{folder}: cannot be written: {error.strerror}") from error
    except sqlite3.Error as error:
        raise StateError(f"{source}: cannot be copied for the exporter: {error}") from error
    finally:
        new.unlink(missing_ok=True)
    return folder / FILE


def _copy(source: Path, new: Path) -> None:
    os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600))
    with closing(sqlite3.connect(new, timeout=5, isolation_level=None)) as db:
        db.execute("ATTACH ? AS source", (str(source),))
        db.execute("BEGIN")
        version = int(db.execute("PRAGMA source.user_version").fetchone()[0])
        db.execute(_COPY, (KEPT,))
        db.execute(f"PRAGMA main.user_version = {version}")
        db.execute("COMMIT")
