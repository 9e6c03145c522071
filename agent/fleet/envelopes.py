"""Collected drift reports, one JSON file a machine. Of very many, only the first kilobytes are read."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.model.errors import FirstlightError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

_START = re.compile(r'\s*\{\s*"ok"\s*:\s*true\s*,\s*"data"\s*:\s*\{\s*"head"\s*:\s*')
_HEAD_BYTES = 8 << 10
_DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of a machine's drift report: who it is, and a digest of each area."""

    machine: str
    profile: str
    system: str
    taken: float
    drifts: int
    digests: dict[str, str]
    ignore: tuple[str, ...]
    file: Path


def load_head(file: Path) -> Head:
    """Return the head of a report; the machine goes by the file's name, as in the inventory it was asked by.

    Hostnames need not be unique in a fleet. Raises FirstlightError that starts with the file's name.
    """
    with file.open("rb") as stream:
        text = stream.read(_HEAD_BYTES).decode("utf-8", errors="replace")
    match = _START.match(text)
    try:
        told: dict[str, Any] = _DECODER.raw_decode(text, match.end())[0] if match else {}
    except (ValueError, RecursionError):
        told = {}
    if not told:
        told = load_report(file).get("head") or {}
    try:
        return head_of(file.stem, told, file)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FirstlightError(
            f"{file}: not a drift report: {type(error).__name__}: {error}",
            "make one with: firstlight drift --facts -o json",
        ) from error


def head_of(machine: str, told: dict[str, Any], file: Path = Path()) -> Head:
    """Return the head in a JSON object, under the name its machine goes by. Raises KeyError, TypeError, ValueError."""
    return Head(
        machine,
        str(told["profile"]),
        str(told["system"]),
        float(told["taken"]),
        int(told.get("drifts", 0)),
        _shared(told["digests"]),
        tuple(told.get("ignore") or ()),
        file,
    )


def load_report(file: Path) -> dict[str, Any]:
    """Return `data` of a collected report. Raises FirstlightError."""
    try:
        document = json.loads(file.read_bytes())
        data = document["data"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise FirstlightError(
            f"{file}: not a drift report: {error}", "make one with: firstlight drift --facts -o json"
        ) from error
    if not isinstance(data, dict):
        said = "; ".join(
            str(each.get("message")) for each in document.get("errors") or () if isinstance(each, dict)
        )
        raise FirstlightError(f"{file}: holds no report: {said or 'no data'}")
    return data


def find_files(folder: str) -> Iterator[Path]:
    """Yield the JSON files of a folder in order. Raises UsageError when it is none."""
    path = Path(folder)
    if not path.is_dir():
        raise UsageError(f"{folder}: no such folder", "name the folder that holds the collected reports")
    yield from sorted(path.glob("*.json"))


_known: dict[str, str] = {}


def _shared(digests: dict[str, str]) -> dict[str, str]:
    """Return the digests with each text kept once: machines of a cohort share nearly all of them."""
    return {
        _known.setdefault(area, area): _known.setdefault(digest, digest) for area, digest in digests.items()
    }
