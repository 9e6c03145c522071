"""A machine that remembers its answers, and a machine made of remembered answers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar, cast

from agent.machine.local import accepted
from agent.machine.recording import Answer, Content, Question, Recording
from agent.model.errors import Unobservable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from agent.machine.api import Completed, FileStatus, Machine, Space

Kind = TypeVar("Kind", bound=Answer)


class _AnsweringMachine:
    """A Machine whose answers come from `_answer(question, how to look it up on a real machine)`."""

    def _answer(self, question: Question, look: Callable[[Machine], Answer]) -> Answer:
        raise NotImplementedError

    def _told(self, question: Question, look: Callable[[Machine], Kind]) -> Kind:
        answer = self._answer(question, look)
        if isinstance(answer, Unobservable):
            raise type(answer)(answer.message)
        return cast(Kind, answer)

    def run(
        self, argv: Sequence[str], *, timeout_s: float = 5.0, ok: Collection[int] | None = (0,)
    ) -> Completed:
        """Run a command; the exit code is judged by each asker's own `ok`."""
        done = self._told(("run", *argv), lambda inner: inner.run(argv, timeout_s=timeout_s, ok=None))
        return accepted(done, ok)

    def read(self, path: str, *, limit_bytes: int = 1 << 20) -> str:
        """Return the text of a file."""
        return self.read_bytes(path, limit_bytes=limit_bytes).decode(errors="replace")

    def read_bytes(self, path: str, *, limit_bytes: int = 1 << 20) -> bytes:
        """Return the first bytes of a file."""

        def look(inner: Machine) -> Content:
            data = inner.read_bytes(path, limit_bytes=limit_bytes)
            return Content(data, whole=len(data) < limit_bytes)

        return self._told(("read", path), look).data[:limit_bytes]

    def listing(self, path: str) -> tuple[str, ...]:
        """Return the sorted names in a directory."""
        return self._told(("listing", path), lambda inner: inner.listing(path))

    def status(self, path: str) -> FileStatus:
        """Return what stands at a path."""
        return self._told(("status", path), lambda inner: inner.status(path))

    def space(self, path: str) -> Space:
        """Return the room in the filesystem that holds a path."""
        return self._told(("space", path), lambda inner: inner.space(path))

    def exists(self, path: str) -> bool:
        """Return whether a path exists."""
        return self._told(("exists", path), lambda inner: inner.exists(path))

    def privileged(self) -> bool:
        """Return whether the observer is root on the host."""
        return self._told(("privileged",), lambda inner: inner.privileged())


class RecordingMachine(_AnsweringMachine):
    """Asks the machine behind it once per question and remembers every answer, errors included."""

    def __init__(self, inner: Machine) -> None:
        self._inner = inner
        self._made = inner.clock()
        self.answers: dict[Question, Answer] = {}
        self._news: dict[Question, Answer] = {}

    def read_bytes(self, path: str, *, limit_bytes: int = 1 << 20) -> bytes:
        """Return the first bytes of a file; asks again only for more of it than is known."""
        known = self.answers.get(("read", path))
        if isinstance(known, Content) and not known.covers(limit_bytes):
            del self.answers["read", path]
        return super().read_bytes(path, limit_bytes=limit_bytes)

    def clock(self) -> float:
        """Return the time the recording was begun: one run, one moment."""
        return self._made

    def take_news(self) -> dict[Question, Answer]:
        """Return what was answered since the last call."""
        news, self._news = self._news, {}
        return news

    def recording(self, hostname: str) -> Recording:
        """Return everything answered so far."""
        return Recording(self._made, hostname, dict(self.answers))

    def _answer(self, question: Question, look: Callable[[Machine], Answer]) -> Answer:
        answer = self.answers.get(question)
        if answer is None:
            try:
                answer = look(self._inner)
            except Unobservable as error:
                answer = error.with_traceback(None)
            self.answers[question] = self._news[question] = answer
        return answer


class RecordedMachine(_AnsweringMachine):
    """Answers from a recording; what was never asked is Unobservable, not absent."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    def read_bytes(self, path: str, *, limit_bytes: int = 1 << 20) -> bytes:
        """Return the first bytes of a file; Unobservable when fewer were recorded than are asked for."""
        known = self._recording.answers.get(("read", path))
        if isinstance(known, Content) and not known.covers(limit_bytes):
            raise Unobservable(f"not in the recording: {path} beyond its first {len(known.data)} bytes")
        return super().read_bytes(path, limit_bytes=limit_bytes)

    def clock(self) -> float:
        """Return when the recording was made."""
        return self._recording.made

    def _answer(self, question: Question, look: Callable[[Machine], Answer]) -> Answer:
        answer = self._recording.answers.get(question)
        if answer is None:
            when = time.strftime("%Y-%m-%d", time.gmtime(self._recording.made))
            raise Unobservable(f"not in the recording of {when}: {' '.join(question)}")
        return answer
