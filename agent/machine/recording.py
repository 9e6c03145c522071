"""What a machine answered, as a value; `recording_file` keeps it as JSON.

A question is a tuple: `("read", "/etc/fstab")`, `("run", "uname", "-m")`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from agent.machine.api import Completed, FileStatus, Space
from agent.model.errors import Unobservable


class Content(NamedTuple):
    """The first bytes of a file, or all of them (`whole`)."""

    data: bytes
    whole: bool = True

    def covers(self, limit_bytes: int) -> bool:
        """Return whether a question with this limit can be answered from here."""
        return self.whole or limit_bytes <= len(self.data)


Question: TypeAlias = tuple[str, ...]
Answer: TypeAlias = Content | Completed | FileStatus | Space | tuple[str, ...] | bool | Unobservable


@dataclass(frozen=True, slots=True)
class Recording:
    """Everything a machine was asked and answered. `made`: seconds since the epoch.

    `profile` is the profile it was judged by (JSON object, may be empty), masked together with the answers.
    """

    made: float
    hostname: str
    answers: dict[Question, Answer]
    profile: dict[str, Any] = field(default_factory=dict)


def merge_answers(*parts: dict[Question, Answer]) -> dict[Question, Answer]:
    """Return the answers of all parts; later ones win, but of a file the part that knows more of it."""
    merged: dict[Question, Answer] = {}
    for part in parts:
        for question, answer in part.items():
            known = merged.get(question)
            if isinstance(known, Content) and isinstance(answer, Content) and not answer.whole:
                answer = max(known, answer, key=lambda content: (content.whole, len(content.data)))
            merged[question] = answer
    return merged
