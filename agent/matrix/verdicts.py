"""What a rule says about one combination: yes, no or unknown, in a sentence, with the rows it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Answer(StrEnum):
    """Only a row that is there can make a yes."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One rule's answer. `rows` are row ids, in the order they matter."""

    answer: Answer
    says: str
    rows: tuple[str, ...] = ()

    @property
    def fits(self) -> bool:
        """Return whether the answer is yes."""
        return self.answer is Answer.YES


def yes(says: str, *rows: str) -> Verdict:
    """The rows say that it fits."""
    return Verdict(Answer.YES, says, rows)


def no(says: str, *rows: str) -> Verdict:
    """The rows say that it does not fit."""
    return Verdict(Answer.NO, says, rows)


def unknown(says: str, *rows: str) -> Verdict:
    """No row says; `rows` are those that were not enough."""
    return Verdict(Answer.UNKNOWN, f"unknown: {says}", rows)
