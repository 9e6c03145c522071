"""The smallest set of verdicts that rules every way out."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from agent.matrix.verdicts import Answer, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

Failures = frozenset[Verdict]
# Per driver branch, per want, per candidate: the verdicts against it. A branch is ruled out when for one want
# every candidate has a verdict against it.
Field = tuple[tuple[tuple[Failures, ...], ...], ...]
_TRIED_MOST = 3
_REASONS_MOST = 48


def find_conflict(field: Field) -> tuple[Verdict, ...]:
    """Return the smallest reason found; one made of plain noes wins over one with unknowns. Empty: none."""
    for answers in ((Answer.NO,), (Answer.NO, Answer.UNKNOWN)):
        reasons = _reasons(field, answers)
        if _explains(frozenset(reasons), field):
            return _merged(_smallest(reasons, field))
    return ()


def _merged(reasons: tuple[Verdict, ...]) -> tuple[Verdict, ...]:
    """Return the reasons with those of the same words put together, their rows joined."""
    rows: dict[tuple[Answer, str], dict[str, None]] = {}
    for reason in reasons:
        rows.setdefault((reason.answer, reason.says), {}).update(dict.fromkeys(reason.rows))
    return tuple(Verdict(answer, says, tuple(cited)) for (answer, says), cited in rows.items())


def _reasons(field: Field, answers: Sequence[Answer]) -> list[Verdict]:
    """Return the distinct verdicts, those that rule out most first."""
    counts: dict[Verdict, int] = {}
    for branch in field:
        for candidates in branch:
            for failures in candidates:
                for verdict in failures:
                    if verdict.answer in answers:
                        counts[verdict] = counts.get(verdict, 0) + 1
    return sorted(counts, key=lambda verdict: (-counts[verdict], verdict.answer, verdict.says))


def _explains(reasons: Failures, field: Field) -> bool:
    return all(
        any(all(failures & reasons for failures in candidates) for candidates in branch) for branch in field
    )


def _smallest(reasons: list[Verdict], field: Field) -> tuple[Verdict, ...]:
    few = reasons[:_REASONS_MOST]
    for size in range(1, _TRIED_MOST if len(reasons) > _REASONS_MOST else _TRIED_MOST + 1):
        for chosen in combinations(few, size):
            if _explains(frozenset(chosen), field):
                return chosen
    kept = list(reasons)
    for reason in reversed(reasons):
        rest = [other for other in kept if other != reason]
        if _explains(frozenset(rest), field):
            kept = rest
    return tuple(kept)
