"""The ledger of data disks: which filesystems are ours, and which one was being made when we were stopped.

A JSON file, {"schema": 1, "disks": {UUID: entry}}. `making` is written before mkfs starts, `ready` after it ended.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import asdict, dataclass, field

from ansible.module_utils.atomic import read_text, write_atomic
from ansible.module_utils.blockdev import Disk, Refused

STATES = ("making", "ready")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Entry:
    """One filesystem of ours and the disk it was made on (or adopted from). `made`: UTC, ISO 8601."""

    uuid: str
    label: str
    size_bytes: int
    state: str
    serials: list[str] = field(default_factory=list)
    wwns: list[str] = field(default_factory=list)
    adopted: bool = False
    made: str = ""

    def on(self, disk: Disk) -> bool:
        """Return whether the entry was written for this disk: same serial or WWN, same size."""
        same = set(self.serials) & set(disk.serials) or set(self.wwns) & set(disk.wwns)
        return bool(same) and self.size_bytes == disk.size_bytes


def entry_for(disk: Disk, uuid: str, label: str, state: str, adopted: bool = False) -> Entry:
    """Return a new entry, stamped with the present time."""
    made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return Entry(uuid, label, disk.size_bytes, state, list(disk.serials), list(disk.wwns), adopted, made)


def load(path: str) -> dict[str, Entry]:
    """Return the entries by UUID; {} when there is no ledger. Refused when it cannot be read or understood."""
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"the ledger {path} cannot be read ({error}); repair or restore it first") from error
    if text is None:
        return {}
    try:
        document = json.loads(text)
        found = {uuid: Entry(**entry) for uuid, entry in document["disks"].items()}
    except json.JSONDecodeError as error:
        raise Refused(
            f"{path}:{error.lineno}:{error.colno}: {error.msg}; the ledger says which disks are ours, "
            "so nothing is done until it is repaired or restored"
        ) from error
    except (KeyError, TypeError, AttributeError) as error:
        raise Refused(f"{path}:1:1: not a ledger of data disks ({error}); repair or restore it") from error
    if document.get("schema") != 1 or any(
        entry.uuid != uuid or not UUID.fullmatch(uuid) or entry.state not in STATES
        or not isinstance(entry.serials, list) or not isinstance(entry.wwns, list)
        for uuid, entry in found.items()
    ):
        raise Refused(f"{path}:1:1: not a ledger this version understands; repair or restore it")
    return found


def write(path: str, entries: dict[str, Entry]) -> None:
    """Write the ledger whole, on disk (fsync) before the return. Raises OSError."""
    document = {"schema": 1, "disks": {uuid: asdict(entry) for uuid, entry in sorted(entries.items())}}
    write_atomic(path, json.dumps(document, indent=2) + "\n", mode=0o600)
