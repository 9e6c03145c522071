"""What a file says, as a value that can be shown and compared: without comments, secrets and endless lines."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from agent.machine.masking import without_secrets
from agent.model.drift import UNREAD
from agent.model.errors import Missing, Unobservable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from agent.machine.api import Machine

SHOWN = 240
_OTHERS = (
    ".dpkg-old",
    ".dpkg-dist",
    ".dpkg-new",
    ".dpkg-tmp",
    ".ucf-old",
    ".ucf-dist",
    "~",
    ".swp",
    ".firstlight-",
)


def text_value(text: str, comments: str = "#") -> str:
    """Return the lines that mean something, joined by `; `; a long or masked one ends in a digest of the whole."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    said = "; ".join(line for line in lines if line and line[0] not in comments) or "(empty)"
    shown = without_secrets(said)
    if len(shown) <= SHOWN and shown == said:
        return said
    digest = hashlib.sha256(said.encode()).hexdigest()[:12]
    return f"{shown[:SHOWN]}{'…' if len(shown) > SHOWN else ''} (sha256 {digest})"


def names_in(machine: Machine, folder: str) -> tuple[str, ...]:
    """Return the names in a folder, none when there is no such folder; editors' and dpkg's leftovers are left out."""
    try:
        names = machine.listing(folder)
    except Missing:
        return ()
    return tuple(name for name in names if not name.endswith(_OTHERS) and not name.startswith(".firstlight-"))


def file_values(machine: Machine, paths: Iterable[str], comments: str = "#") -> Iterator[tuple[str, str]]:
    """Yield path and value of each file there is; a link is told by its target, an unreadable file by UNREAD."""
    for path in paths:
        try:
            status = machine.status(path)
            if status.kind == "link":
                yield path, f"link to {status.target}"
            elif status.kind == "file":
                yield path, text_value(machine.read(path), comments)
        except Missing:
            continue
        except Unobservable:
            yield path, UNREAD


def folder_values(
    machine: Machine, *folders: str, ending: str = "", comments: str = "#"
) -> Iterator[tuple[str, str]]:
    """Yield path and value of each file directly in the folders."""
    for folder in folders:
        names = (name for name in names_in(machine, folder) if name.endswith(ending))
        yield from file_values(machine, (f"{folder}/{name}" for name in names), comments)
