"""What the solver returns: a solution whose every part cites its rows, or the shortest reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.matrix.tables import find_row

if TYPE_CHECKING:
    from agent.matrix.ask import Ask
    from agent.matrix.candidate import Part
    from agent.matrix.verdicts import Verdict


@dataclass(frozen=True, slots=True)
class Solution:
    """Something that fits. `driver_minimum` is the oldest version, `driver_branch` the one to take.

    `driver_branches` are all that fit, oldest first, `driver_range` says them in words.
    """

    ask: Ask
    parts: tuple[Part, ...]
    driver_minimum: str
    driver_branch: int
    driver_branches: tuple[int, ...]
    driver_range: str
    caveats: tuple[str, ...] = ()

    @property
    def rows(self) -> tuple[str, ...]:
        """The ids of every row cited, once each."""
        return tuple(dict.fromkeys(row for part in self.parts for row in part.rows))

    def part(self, kind: str) -> Part | None:
        """Return the part of a kind."""
        return next((part for part in self.parts if part.kind == kind), None)


@dataclass(frozen=True, slots=True)
class NoSolution:
    """Nothing fits, or (`unknown`) no row says that something does. `conflict` is the smallest reason found.

    `instead` is what fits when the versions are left open.
    """

    ask: Ask
    conflict: tuple[Verdict, ...]
    unknown: bool
    instead: Solution | None = None

    @property
    def rows(self) -> tuple[str, ...]:
        """The ids of every row in the conflict, once each."""
        return tuple(dict.fromkeys(row for verdict in self.conflict for row in verdict.rows))


def citation(row_id: str) -> dict[str, Any]:
    """Return a row's id, sources and date."""
    row = find_row(row_id)
    return {"row": row_id, "source": list(row.source) if row else [], "date": row.date if row else ""}


def to_document(result: Solution | NoSolution) -> dict[str, Any]:
    """Return the result as plain data for JSON."""
    asked = {
        "card": result.ask.card,
        "architecture": result.ask.architecture,
        "system": result.ask.system,
        "wants": [str(want) for want in result.ask.wants],
    }
    if isinstance(result, Solution):
        return {"answer": "yes", "ask": asked, **_solution(result)}
    return {"answer": "unknown" if result.unknown else "no", "ask": asked, **_no_solution(result)}


def _solution(result: Solution) -> dict[str, Any]:
    return {
        "driver": {
            "minimum": result.driver_minimum,
            "branch": result.driver_branch,
            "branches": list(result.driver_branches),
        },
        "parts": [
            {
                "kind": part.kind,
                "value": part.value,
                "says": part.says,
                "rows": [citation(row) for row in part.rows],
            }
            for part in result.parts
        ],
        "caveats": list(result.caveats),
    }


def _no_solution(result: NoSolution) -> dict[str, Any]:
    return {
        "conflict": [
            {
                "answer": str(verdict.answer),
                "says": verdict.says,
                "rows": [citation(row) for row in verdict.rows],
            }
            for verdict in result.conflict
        ],
        "instead": to_document(result.instead) if result.instead else None,
    }
