from __future__ import annotations

import json
from typing import Any

import pytest

from agent.fleet.answers import Reach, answer_of

GOOD = json.dumps({"ok": True, "data": {"a": 1}, "errors": [], "meta": {}})


def event(kind: str, **result: Any) -> dict[str, Any]:
    return {"event": kind, "event_data": {"host": "n1", "res": result, "duration": 1.5}}


def test_an_envelope_is_an_answer_whatever_its_exit_code() -> None:
    told = answer_of(event("runner_on_ok", rc=1, stdout=GOOD), 9)
    assert told is not None
    assert (told.host, told.reach, told.code, told.data, told.duration_s) == (
        "n1",
        Reach.ANSWERED,
        1,
        {"a": 1},
        1.5,
    )


@pytest.mark.parametrize(
    ("given", "reach", "said"),
    [
        (
            event("runner_on_unreachable", msg="Failed to connect:\n No route"),
            Reach.UNREACHABLE,
            "Failed to connect: No route",
        ),
        (event("runner_on_failed", msg="Timed out after 9 second(s)."), Reach.LATE, "no answer within 9 s"),
        (event("runner_on_failed", msg="no python"), Reach.FAILED, "no python"),
        (
            event("runner_on_ok", rc=2, msg="[Errno 2] No such file", stdout=""),
            Reach.FAILED,
            "exit code 2: [Errno 2] No such file",
        ),
        (
            event("runner_on_ok", rc=1, stdout="Traceback", stderr="x\nboom"),
            Reach.FAILED,
            "exit code 1: boom",
        ),
        (
            event(
                "runner_on_ok",
                rc=3,
                stdout=json.dumps({"ok": False, "data": None, "errors": [{"message": "no profile"}]}),
            ),
            Reach.FAILED,
            "no profile",
        ),
        (event("runner_on_ok", rc=0, stdout="[]"), Reach.FAILED, "exit code 0: no JSON on its output"),
    ],
)
def test_everything_else_says_why_there_is_none(given: dict[str, Any], reach: Reach, said: str) -> None:
    told = answer_of(given, 9)
    assert told is not None
    assert (told.reach, told.problem) == (reach, said)


def test_other_events_are_no_answers() -> None:
    assert answer_of({"event": "playbook_on_stats", "event_data": {}}, 9) is None
