"""The journal of a run: survives kill -9, so that the next run can say what was interrupted."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from agent.model.errors import StateError
from agent.model.plan import Change, Outcome, Refusal, Run
from agent.provision.places import make_private

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEPT_RUNS = 50
LINES, SUMMARY = "journal.jsonl", "run.json"


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A run whose journal has no end. `role` and `task` are what it was doing; `started` is epoch seconds."""

    folder: Path
    run: Run
    role: str
    task: str

    def __str__(self) -> str:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.run.started))
        at = f"{self.role}: {self.task}" if self.task else "its first task"
        made = len(self.run.changes)
        return (f"the {self.run.kind} of {when} was interrupted at {at} (changes made so far: {made}); "
                "every role can be repeated, so an apply starts over and finishes it")


def new_id(kind: str) -> str:
    """Return a run id that sorts by time."""
    now = time.time()
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now))
    return f"{stamp}.{int(now * 1000) % 1000:03d}Z-{kind}-{os.getpid()}"


class Journal:
    """Append-only; each line is on disk before the call returns."""

    def __init__(self, runs: Path, run: Run) -> None:
        try:
            make_private(runs)
            self.folder = make_private(runs / run.id)
            self._handle = os.open(self.folder / LINES, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise StateError(f"{runs}: {error.strerror or error}; the journal cannot be written") from error
        self.note("start", run=_as_json(run))

    def note(self, kind: str, **values: Any) -> None:
        """Append one line. Raises StateError (disk full, read-only)."""
        line = json.dumps({"at": time.time(), "kind": kind, **values}, ensure_ascii=False) + "\n"
        try:
            os.write(self._handle, line.encode())
            os.fdatasync(self._handle)
        except OSError as error:
            raise StateError(f"{self.folder / LINES}: {error.strerror}; nothing can be recorded") from error

    def close(self, run: Run) -> None:
        """Write the summary, drop the lines, forget the oldest runs."""
        os.close(self._handle)
        close_folder(self.folder, run)
        for folder in _folders(self.folder.parent)[:-KEPT_RUNS]:
            shutil.rmtree(folder, ignore_errors=True)


def close_folder(folder: Path, run: Run) -> None:
    """Make run.json of a run, whole or not at all; then the journal is not needed any more."""
    temporary = folder / (SUMMARY + ".new")
    try:
        temporary.touch(mode=0o600)
        with temporary.open("w", encoding="utf-8") as stream:
            json.dump(_as_json(run), stream, ensure_ascii=False)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(folder / SUMMARY)
        (folder / LINES).unlink(missing_ok=True)
    except OSError as error:
        raise StateError(f"{folder / SUMMARY}: {error.strerror}; the run cannot be recorded") from error


def find_interrupted(runs: Path) -> Interrupted | None:
    """Return the newest run without an end, or None. Ask while no run is active."""
    for folder in reversed(_folders(runs)):
        if (folder / LINES).exists() and not (folder / SUMMARY).exists():
            found = _reconstruct(folder)
            if found is not None:
                return found
    return None


def load_run(folder: Path) -> Run:
    """Return a closed run. Raises StateError."""
    try:
        return run_from_document(json.loads((folder / SUMMARY).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StateError(f"{folder / SUMMARY}: {error}") from error


def _folders(runs: Path) -> list[Path]:
    try:
        return sorted(folder for folder in runs.iterdir() if folder.is_dir())
    except OSError:
        return []


def _reconstruct(folder: Path) -> Interrupted | None:
    """Read a journal without an end; a half-written last line is left out."""
    run: dict[str, Any] = {"id": folder.name, "kind": "apply", "profile": "", "roles": [], "started": 0.0}
    changes, step, last = [], {"role": "", "task": ""}, 0.0
    for line in _lines(folder / LINES):
        last = line["at"]
        if line["kind"] == "start":
            run = line["run"]
        elif line["kind"] == "step":
            step = line
        elif line["kind"] == "change":
            changes.append(line["change"])
    run |= {"outcome": Outcome.INTERRUPTED, "changes": changes, "refusals": [], "finished": last,
            "failure": f"interrupted at {step['role']}: {step['task']}"}
    try:
        return Interrupted(folder, run_from_document(run), step["role"], step["task"])
    except (KeyError, TypeError):
        return None


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict) and {"at", "kind"} <= value.keys():
            yield value


def _as_json(run: Run) -> dict[str, Any]:
    return asdict(run)


def run_from_document(value: dict[str, Any]) -> Run:
    """Return the run in a JSON object."""
    return Run(**value | {
        "outcome": Outcome(value["outcome"]), "roles": tuple(value["roles"]),
        "changes": tuple(Change(**change) for change in value["changes"]),
        "refusals": tuple(Refusal(**refusal) for refusal in value["refusals"]),
        "notes": tuple(value.get("notes", ())),
    })
