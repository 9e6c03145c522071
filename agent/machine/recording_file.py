"""Recordings as JSON files: `{"schema", "made", "hostname", "profile", "answers": {question: answer}}`.

A question is written as the shell would read it: `read /etc/fstab`, `run systemctl show 'a b'`.
"""

from __future__ import annotations

import base64
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.machine.api import Completed, FileStatus, Space
from agent.machine.recording import Content, Recording
from agent.model.errors import FirstlightError, Missing, Unobservable

if TYPE_CHECKING:
    from agent.machine.recording import Answer, Question

SCHEMA = 1


def recording_to_json(recording: Recording) -> dict[str, Any]:
    """Return the recording as a JSON object with sorted questions."""
    answers = {shlex.join(question): _encoded(answer) for question, answer in recording.answers.items()}
    return {
        "schema": SCHEMA, "made": recording.made, "hostname": recording.hostname,
        "profile": recording.profile, "answers": dict(sorted(answers.items())),
    }


def recording_from_json(document: Any, name: str) -> Recording:
    """Return the recording in a parsed JSON document; raises FirstlightError that starts with `name`."""
    if not isinstance(document, dict) or "answers" not in document:
        raise FirstlightError(f"{name}: this is not a recording", "Make one with `firstlight capture`.")
    if document.get("schema") != SCHEMA:
        raise FirstlightError(
            f"{name}: schema {document.get('schema')!r} of this recording is not known (expected {SCHEMA})",
            "It was made by another version of Firstlight; record the machine again with this one.")
    line = "answers"
    try:
        answers: dict[Question, Answer] = {}
        for line, value in document["answers"].items():
            question = tuple(shlex.split(line))
            answers[question] = _decoded(question, value)
        line = "made, hostname, profile"
        return Recording(float(document["made"]), str(document["hostname"]), answers,
                         dict(document.get("profile") or {}))
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise FirstlightError(f"{name}: damaged at {line!r}: {type(error).__name__}: {error}",
                              "Record the machine again with `firstlight capture`.") from error


def load_recording(path: str | Path) -> Recording:
    """Return the recording in a file; raises FirstlightError with the file and the place in it."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FirstlightError(f"{path}: cannot be read: {error}",
                              "Name a file made by `firstlight capture`.") from error
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise FirstlightError(f"{path}:{error.lineno}:{error.colno}: not JSON: {error.msg}",
                              "Name a file made by `firstlight capture`.") from error
    return recording_from_json(document, str(path))


def save_recording(recording: Recording, path: str | Path) -> None:
    """Write the recording to a file readable by its owner alone; raises FirstlightError."""
    text = json.dumps(recording_to_json(recording), indent=1, ensure_ascii=False) + "\n"
    target = Path(path)
    partial = target.with_name(target.name + ".partial")
    try:
        partial.unlink(missing_ok=True)
        partial.touch(mode=0o600, exist_ok=False)
        partial.write_text(text, encoding="utf-8")
        partial.replace(target)
    except OSError as error:
        raise FirstlightError(f"{path}: cannot be written: {error.strerror}") from error


def _encoded(answer: Answer) -> dict[str, Any]:
    if isinstance(answer, Content):
        whole = {} if answer.whole else {"whole": False}
        try:
            return {"text": answer.data.decode(), **whole}
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(answer.data).decode(), **whole}
    if isinstance(answer, Completed):
        return {"code": answer.code, "out": answer.out, "err": answer.err}
    if isinstance(answer, FileStatus | Space):
        return answer._asdict()
    if isinstance(answer, Unobservable):
        return {"missing" if isinstance(answer, Missing) else "unobservable": answer.message}
    if isinstance(answer, bool):
        return {"is": answer}
    return {"names": list(answer)}


def _decoded(question: Question, value: dict[str, Any]) -> Answer:
    if "missing" in value:
        return Missing(value["missing"])
    if "unobservable" in value:
        return Unobservable(value["unobservable"])
    match question[0]:
        case "read":
            text = value.get("text")
            data = base64.b64decode(value["base64"], validate=True) if text is None else text.encode()
            return Content(data, bool(value.get("whole", True)))
        case "run":
            return Completed(question[1:], int(value["code"]), str(value["out"]), str(value["err"]))
        case "status":
            return FileStatus(**value)
        case "space":
            return Space(**value)
        case "listing":
            return tuple(str(name) for name in value["names"])
        case "exists" | "privileged":
            return bool(value["is"])
    raise ValueError(f"{question[0]!r} is not a question")
