"""The profile as it was resolved last time, so that a look need not validate the same files again.

It is good for the same machine and the same bytes of every file that a profile with a name, or the site's, can be made
of. With one bit different, half written, or in a file that others could have written, it is nothing and the profile is
resolved anew. One that reads a file from elsewhere is not kept.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent import __version__
from agent.config import files
from agent.model.resolved import from_document, to_document

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from agent.model.hardware import Hardware
    from agent.model.resolved import ResolvedProfile

NAME = "profile.json"
OWN_CODE = (Path(__file__).parent, Path(__file__).parents[1] / "model")


class KeptProfile:
    """The profile of one machine, kept in one file. `write` replaces a file as a whole."""

    def __init__(self, file: Path, write: Callable[[Path, str], None]) -> None:
        self.file, self._write = file, write
        self._reasons: dict[str, Any] = {}

    def find(self, hardware: Hardware, wanted: str | None) -> ResolvedProfile | None:
        """Return what resolving would give now; None where only resolving can tell."""
        try:
            self._reasons = reasons(hardware, wanted)
            document = json.loads(self._read())
            return from_document(document["resolved"]) if document["reasons"] == self._reasons else None
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return None

    def keep(self, resolved: ResolvedProfile, made_of: Collection[Path]) -> None:
        """Keep what was resolved after `find` had nothing, unless files went into it that were not read then."""
        if self._reasons and {str(file) for file in made_of} <= self._reasons["files"].keys():
            self._write(self.file, json.dumps({"reasons": self._reasons, "resolved": to_document(resolved)}))

    def _read(self) -> bytes:
        with self.file.open("rb") as content:
            told = os.fstat(content.fileno())
            if told.st_uid not in (0, os.geteuid()) or stat.S_IMODE(told.st_mode) & 0o022:
                raise PermissionError(f"{self.file}: others may write it")
            return content.read()


def reasons(hardware: Hardware, wanted: str | None) -> dict[str, Any]:
    """Return everything that says which profile this machine gets, as JSON data. Raises OSError."""
    code = [entry for folder in OWN_CODE for entry in os.scandir(folder) if entry.name.endswith(".py")]
    candidates = [*files.named_files().values(), files.site_file()]
    return {
        "version": __version__,
        "code": {entry.path: entry.stat().st_mtime_ns for entry in code},
        "hardware": repr(hardware),
        "wanted": wanted,
        "files": {str(file): file.read_text("utf-8") if files.there_is(file) else None for file in candidates},
    }
