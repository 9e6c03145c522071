"""Drop-in folders: in which order files are read, who has the last word, and how we get it back.

Order and masking, from sysctl.d(5), systemd-system.conf(5), systemd.unit(5): sorted by file name over all
folders; of two files with one name the one in the earlier folder counts; a link to /dev/null or an empty file
switches the name off.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@dataclass(frozen=True)
class Setting:
    """One assignment: where it stands and what it says. `line` counts from 1."""

    path: str
    line: int
    key: str
    value: str


def read_order(folders: Iterable[str], suffix: str = ".conf") -> list[str]:
    """Return the files of a drop-in family in the order they are read (the last one wins)."""
    first: dict[str, str] = {}
    for folder in folders:
        try:
            names = os.listdir(folder)
        except (FileNotFoundError, NotADirectoryError):
            continue
        for name in names:
            if name.endswith(suffix) and not name.startswith("."):
                first.setdefault(name, f"{folder}/{name}")
    return [first[name] for name in sorted(first, key=os.fsencode)]


def text_of(path: str) -> str:
    """Return a drop-in's text; "" for a masked or dangling one. Raises OSError when it cannot be read."""
    try:
        return "" if os.path.realpath(path) == "/dev/null" else Path(path).read_text("utf-8", "replace")
    except FileNotFoundError:
        return ""


def ini_settings(path: str, text: str, section: str) -> list[Setting]:
    """Return the assignments in one section of a systemd file."""
    found, current = [], ""
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if line.startswith("[") and line.endswith("]"):
            current = line[1:-1]
        elif current == section and line and line[0] not in "#;" and "=" in line:
            key, value = line.split("=", 1)
            found.append(Setting(path, number, key.strip(), value.strip()))
    return found


def read_after(folders: Iterable[str], ours: str, ignored: str = "", suffix: str = ".conf") -> list[str]:
    """Return the files read after `ours` (a path that need not exist yet), `ignored` left out."""
    name = os.fsencode(os.path.basename(ours))
    return [
        path
        for path in read_order(folders, suffix)
        if os.fsencode(os.path.basename(path)) > name and path != ignored
    ]


def overridden(
    later: Iterable[Setting], wanted: dict[str, str], same: Callable[[str, str], bool]
) -> dict[str, Setting]:
    """Return, by key, the setting that takes a wanted value back; `later` is read after ours, in order."""
    last = {setting.key: setting for setting in later if setting.key in wanted}
    return {key: setting for key, setting in last.items() if not same(setting.value, wanted[key])}
