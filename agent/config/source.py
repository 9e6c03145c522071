"""YAML files with a place for every value: plain data, and where each part of it stands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from agent.model.errors import ProfileError

KeyPath: TypeAlias = tuple[str | int, ...]
LIMIT_BYTES = 1 << 20
LIMIT_NODES = 20_000
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A spot in a file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Source:
    """One file: its data and the place of every key and item (`()` is the document)."""

    file: Path
    data: dict[str, Any]
    places: dict[KeyPath, Place]


def load_source(file: Path) -> Source:
    """Return the mapping in a YAML file. Raises ProfileError with every fault as file:line:column."""
    text = _read(file)
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            raise ProfileError(f"{file}:1:1: the file is empty; begin with `name:` or `extends:`")
        reader = _Reader(str(file), loader)
        if not isinstance(root, yaml.MappingNode):
            raise ProfileError(
                f"{reader.place(root)}: a profile is a mapping of keys to values; "
                "write lines like `name: my-machine`"
            )
        data = reader.mapping(root, ())
    except yaml.MarkedYAMLError as error:
        raise ProfileError(_syntax(file, error, text)) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ProfileError(f"{file}:1:1: not YAML: {reason}; save it as UTF-8 text") from error
    finally:
        loader.dispose()
    if reader.faults:
        raise ProfileError("\n".join(reader.faults))
    return Source(file, data, reader.places)


def _read(file: Path) -> str:
    try:
        if not file.is_file():
            what = (
                "is a directory"
                if file.is_dir()
                else "does not exist"
                if not file.exists()
                else "is not a file"
            )
            raise ProfileError(f"{file}:1:1: {what}; name a YAML file")
        with file.open("rb") as stream:
            raw = stream.read(LIMIT_BYTES + 1)
    except OSError as error:
        raise ProfileError(
            f"{file}:1:1: cannot be read: {error.strerror}; look at its permissions: ls -l {file}"
        ) from error
    if len(raw) > LIMIT_BYTES:
        raise ProfileError(f"{file}:1:1: is larger than 1 MiB; this is not a profile")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise ProfileError(
            f"{file}:{line}:{column}: byte 0x{raw[error.start]:02x} is not UTF-8; "
            "save the file as UTF-8 text"
        ) from error


def _syntax(file: Path, error: yaml.MarkedYAMLError, text: str) -> str:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    problem = error.problem or "not YAML"
    lines = text.splitlines()
    if line <= len(lines) and "\t" in lines[line - 1][: max(column, 1)]:
        return f"{file}:{line}:{column}: a tab; indent with spaces"
    advice = "quote values that hold `: `, `#`, `*`, `&`, `!`, `%` or `@`, and line up keys of one level"
    return f"{file}:{line}:{column}: {problem}; {advice}"


class _Reader:
    """Turns a node tree into plain data and notes the place of everything in it."""

    def __init__(self, file: str, loader: Any) -> None:
        self.file = file
        self.places: dict[KeyPath, Place] = {}
        self.faults: list[str] = []
        self._loader = loader
        self._nodes = 0

    def place(self, node: yaml.Node) -> Place:
        """Return where a node begins."""
        return Place(self.file, node.start_mark.line + 1, node.start_mark.column + 1)

    def mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        """Return a mapping; keys that are not words or stand twice become faults."""
        self.places.setdefault(path, self.place(node))
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node)
            if key is None:
                continue
            if key in found:
                first = self.places[(*path, key)]
                self.faults.append(
                    f"{self.place(key_node)}: key {key!r} stands twice (first in line {first.line}); "
                    "keep one"
                )
                continue
            self.places[(*path, key)] = self.place(key_node)
            found[key] = self._value(value_node, (*path, key))
        return found

    def _key(self, node: yaml.Node) -> str | None:
        if isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:str":
            return str(node.value)
        shown = node.value if isinstance(node, yaml.ScalarNode) else "a list or mapping"
        self.faults.append(f"{self.place(node)}: key {shown!r} is not a word; put it in quotes")
        return None

    def _value(self, node: yaml.Node, path: KeyPath) -> Any:
        self._nodes += 1
        if self._nodes > LIMIT_NODES or len(path) > 40:
            raise ProfileError(
                f"{self.place(node)}: too many values, or an alias inside itself; write them out"
            )
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            self.places.setdefault(path, self.place(node))
            for index, item in enumerate(node.value):
                self.places[(*path, index)] = self.place(item)
            return [self._value(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._loader.construct_object(node)
