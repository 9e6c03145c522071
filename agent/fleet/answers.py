"""What one machine of a fleet answered, as a value."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class Reach(StrEnum):
    """How far a question got."""

    ANSWERED = "answered"
    UNREACHABLE = "unreachable"
    LATE = "late"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Answer:
    """One machine's answer: its envelope and exit code when it answered, else `problem` in one sentence."""

    host: str
    reach: Reach
    code: int = 0
    envelope: Mapping[str, Any] | None = None
    problem: str = ""
    duration_s: float = 0.0

    @property
    def data(self) -> Any:
        """Return `data` of the envelope, None without one."""
        return None if self.envelope is None else self.envelope.get("data")


def answer_of(event: Mapping[str, Any], deadline_s: int) -> Answer | None:
    """Return the answer in an event of ansible-runner, None when the event holds none."""
    kind, data = event.get("event"), event.get("event_data") or {}
    host, result = str(data.get("host") or ""), data.get("res") or {}
    said = " ".join(str(result.get("msg") or "").split())
    duration_s = float(data.get("duration") or 0.0)
    if kind == "runner_on_unreachable":
        return Answer(host, Reach.UNREACHABLE, problem=said or "no connection", duration_s=duration_s)
    if kind == "runner_on_failed":
        late = "timed out" in said.lower()
        why = f"no answer within {deadline_s} s" if late else said or "failed without a message"
        return Answer(host, Reach.LATE if late else Reach.FAILED, problem=why, duration_s=duration_s)
    return _told(host, result, said, duration_s) if kind == "runner_on_ok" else None


def shaped(answer: Answer, *keys: str) -> Answer:
    """Return the answer, or one that says it cannot be understood when its data has not these keys."""
    if answer.reach is not Reach.ANSWERED:
        return answer
    if isinstance(answer.data, dict) and all(key in answer.data for key in keys):
        return answer
    why = "its answer is not understood: another version of Firstlight runs there"
    return replace(answer, reach=Reach.FAILED, problem=why)


def _told(host: str, result: Mapping[str, Any], said: str, duration_s: float) -> Answer:
    code = result.get("rc")
    if not isinstance(code, int):
        return Answer(host, Reach.FAILED, problem=said or "the command was not run", duration_s=duration_s)
    try:
        envelope = json.loads(str(result.get("stdout") or ""))
        errors = envelope["errors"]
    except (ValueError, KeyError, TypeError, RecursionError):
        shown = str(result.get("stderr") or "").strip().splitlines()[-1:] or [said or "no JSON on its output"]
        return Answer(
            host, Reach.FAILED, code, problem=f"exit code {code}: {shown[0][:300]}", duration_s=duration_s
        )
    if not envelope.get("ok"):
        why = "; ".join(str(error.get("message")) for error in errors) or f"exit code {code}"
        return Answer(host, Reach.FAILED, code, envelope, why, duration_s)
    return Answer(host, Reach.ANSWERED, code, envelope, duration_s=duration_s)
