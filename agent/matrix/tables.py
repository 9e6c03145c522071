"""The tables, read from the package when they are first asked for, and one matrix that holds them."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from agent.model.errors import FirstlightError, UsageError

if TYPE_CHECKING:
    from agent.matrix import rows

DATA = Path(__file__).resolve().parent / "data"
# Table, or field of a row → module and class: dataclasses are dear, so they are made when a table is read.
TABLES: dict[str, str] = {
    "cards": "rows.Card",
    "architectures": "rows.Architecture",
    "drivers": "rows.Driver",
    "floors": "rows.Floor",
    "cuda": "rows.Toolkit",
    "cudnn": "rows.Cudnn",
    "torch": "framework_rows.Torch",
    "torch_builds": "framework_rows.TorchBuild",
    "vllm": "framework_rows.Vllm",
    "vllm_cards": "framework_rows.VllmCards",
    "images": "framework_rows.Image",
    "systems": "rows.System",
    "xid": "symptom_rows.Xid",
    "sxid": "symptom_rows.SXid",
    "symptoms": "symptom_rows.Symptom",
    "sources": "rows.Source",
}
_NESTED: dict[str, str] = {
    "kernels_broken": "rows.BrokenKernel",
    "known_faults": "rows.KnownFault",
    "builds": "framework_rows.Build",
    "code": "framework_rows.ImageCode",
}
RowType = TypeVar("RowType")


def _value(name: str, value: Any) -> Any:
    """Return a JSON value as the rows hold it: lists become tuples, objects of known fields become their row."""
    if isinstance(value, list):
        kind = _NESTED.get(name)
        return tuple(_made(_row(kind), item) if kind else _value("", item) for item in value)
    return value


@functools.cache
def _row(name: str) -> type[Any]:
    module, _, kind = name.partition(".")
    found: type[Any] = getattr(importlib.import_module(f"agent.matrix.{module}"), kind)
    return found


def _made(kind: type[RowType], item: dict[str, Any]) -> RowType:
    return kind(**{name: _value(name, value) for name, value in item.items() if value is not None})


@functools.cache
def load_table(name: str) -> tuple[Any, ...]:
    """Return the rows of a shipped table. Raises UsageError for an unknown name, FirstlightError for a bad file."""
    kind = TABLES.get(name)
    if kind is None:
        raise UsageError(f"{name}: no such table", f"tables: {', '.join(TABLES)}")
    file = DATA / f"{name}.json"
    try:
        return tuple(_made(_row(kind), item) for item in json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise FirstlightError(f"{file}: {error}", "install Firstlight again") from error


@dataclass(frozen=True)
class Matrix:
    """The tables less the rows in `left_out` (ids): what is asked for is read, the rest is not."""

    left_out: frozenset[str] = field(default_factory=frozenset)

    def table(self, name: str) -> tuple[Any, ...]:
        """Return the rows of a table."""
        loaded = load_table(name)
        if not self.left_out:
            return loaded
        return tuple(row for row in loaded if row.id not in self.left_out)

    def without(self, *ids: str) -> Matrix:
        """Return this matrix with some rows taken away."""
        return dataclasses.replace(self, left_out=self.left_out | set(ids))

    @property
    def cards(self) -> tuple[rows.Card, ...]:
        """The cards."""
        return self.table("cards")

    @property
    def drivers(self) -> tuple[rows.Driver, ...]:
        """The driver branches, oldest first."""
        return self.table("drivers")

    def find_architecture(self, capability: str) -> rows.Architecture | None:
        """Return the generation of a compute capability."""
        found = (row for row in self.table("architectures") if capability in row.capabilities)
        return next(found, None)

    def find_driver(self, branch: int) -> rows.Driver | None:
        """Return a driver branch."""
        return next((row for row in self.drivers if row.branch == branch), None)

    def find_floor(self, cuda_major: int) -> rows.Floor | None:
        """Return the oldest driver of a CUDA major release."""
        return next((row for row in self.table("floors") if row.cuda_major == cuda_major), None)

    def find_system(self, system: str, architecture: str) -> rows.System | None:
        """Return an operating system on a CPU architecture."""
        wanted = (system, architecture)
        return next((row for row in self.table("systems") if (row.system, row.architecture) == wanted), None)


def find_row(row_id: str) -> Any:
    """Return a row of any table by its id (`driver.580`); None without one."""
    prefix = row_id.split(".", 1)[0].split(":", 1)[0]
    homes = {
        "card": "cards",
        "arch": "architectures",
        "driver": "drivers",
        "floor": "floors",
        "torch-build": "torch_builds",
        "vllm-cards": "vllm_cards",
        "image": "images",
        "system": "systems",
        "symptom": "symptoms",
    }
    table = homes.get(prefix, prefix)
    if table not in TABLES:
        return None
    return next((row for row in load_table(table) if row.id == row_id), None)
