"""A registry made of prepared answers, on loopback."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.loopback import Answer, Headers, answering


class Script:
    """Answers by path: lists of (status, headers, body), the last one repeated. `asked` is what came."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {}
        self.asked: list[tuple[str, str, Headers]] = []
        self.port = 0

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def say(self, path: str, status: int = 200, body: Any = b"", **headers: str) -> str:
        """Prepare an answer and return the body's digest."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.setdefault(path, []).append((status, named, raw))
        return "sha256:" + hashlib.sha256(raw).hexdigest()

    def answer(self, method: str, path: str, headers: Headers) -> Answer:
        """Return what was prepared for a path."""
        self.asked.append((method, path, headers))
        waiting = self.answers.get(path.partition("?")[0], [(404, {}, b"")])
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]


@pytest.fixture
def script() -> Iterator[Script]:
    told = Script()
    with answering(told.answer) as told.port:
        yield told
