"""One way to satisfy a want: what it is made of, what the rules say of it, what it asks of the driver."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from agent.matrix.rules import Need, cuda_need
from agent.matrix.verdicts import Verdict

if TYPE_CHECKING:
    from agent.matrix.ask import Want
    from agent.matrix.subject import Subject
    from agent.matrix.tables import Matrix


@dataclass(frozen=True, slots=True)
class Part:
    """One line of a solution. `rows` are the ids it cites."""

    kind: str
    value: str
    says: str
    rows: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """`verdicts` do not depend on the driver, `needs` are about it."""

    parts: tuple[Part, ...]
    verdicts: tuple[Verdict, ...]
    needs: tuple[Need, ...] = ()
    caveats: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its card resolved; what the makers of candidates work from."""

    matrix: Matrix
    card: Subject
    architecture: str
    wants: tuple[Want, ...] = ()

    def version_of(self, kind: str) -> str:
        """Return the version wanted of a kind; empty when none is."""
        return next((want.version for want in self.wants if want.kind == kind), "")

    def wants_any(self, kind: str) -> bool:
        """Return whether a kind is wanted."""
        return any(want.kind == kind for want in self.wants)


@dataclass(slots=True)
class Draft:
    """A candidate being put together."""

    verdicts: list[Verdict] = field(default_factory=list)
    needs: list[Need] = field(default_factory=list)
    caveats: list[str] = field(default_factory=list)

    def need_cuda(self, cuda: str, why: str, matrix: Matrix) -> None:
        """Add what a CUDA release asks of the driver, or that no row says it."""
        self.add_need(cuda_need(cuda, why, matrix))

    def add_need(self, found: Need | Verdict) -> None:
        """Add what is asked of the driver, or the verdict that no row says it."""
        if isinstance(found, Need):
            self.needs.append(found)
        else:
            self.verdicts.append(found)

    def done(self, *parts: Part) -> Candidate:
        """Return the candidate; its first part cites the rows of every verdict too."""
        if parts:
            cited = (*parts[0].rows, *(row for verdict in self.verdicts for row in verdict.rows))
            parts = (replace(parts[0], rows=tuple(dict.fromkeys(cited))), *parts[1:])
        return Candidate(parts, tuple(self.verdicts), tuple(self.needs), tuple(dict.fromkeys(self.caveats)))
