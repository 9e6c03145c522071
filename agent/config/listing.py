"""Every value of a profile beside the place where it is written."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.config.profiles import LoadedProfile
    from agent.config.source import KeyPath


@dataclass(frozen=True, slots=True)
class Value:
    """One value: its path, itself, and `file:line`, "default", or "recorded" where a recording has no places."""

    path: KeyPath
    value: Any
    origin: str

    @property
    def key(self) -> str:
        """The path as people write it."""
        return ".".join(str(part) for part in self.path)


def values(loaded: LoadedProfile) -> list[Value]:
    """Return every value of the profile in the order of the model."""
    data = loaded.profile.model_dump(mode="json", by_alias=True)
    return [Value(path, value, _origin(loaded, path)) for path, value in _leaves(data, ())]


def _origin(loaded: LoadedProfile, path: KeyPath) -> str:
    place = loaded.places.get(path)
    if not loaded.files:
        return "recorded"
    return "default" if place is None else f"{place.file}:{place.line}"


def _leaves(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for index, item in enumerate(value):
            yield from _leaves(item, (*path, index))
    else:
        yield path, value


def render_listing(loaded: LoadedProfile) -> str:
    """Return one line per value: `key: value   # file:line`, file names without folder where that is clear."""
    names = [file.name for file in loaded.files]
    clear = {str(file): file.name for file in loaded.files if names.count(file.name) == 1}
    rows = [
        (f"{item.key}: {json.dumps(item.value, ensure_ascii=False)}", item.origin)
        for item in values(loaded)
    ]
    width = min(max(len(text) for text, _ in rows), 56)
    lines = [f"{text:{width}}  # {_short(origin, clear)}" for text, origin in rows]
    files = " < ".join(str(file) for file in reversed(loaded.files)) or "a recording"
    return "\n".join([f"# {loaded.profile.name}, digest {loaded.digest}", f"# {files}", *lines]) + "\n"


def _short(origin: str, clear: dict[str, str]) -> str:
    file, _, line = origin.rpartition(":")
    return f"{clear.get(file, Path(file))}:{line}" if file else origin
