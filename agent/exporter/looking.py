"""Facts from the history: each look takes in what is new there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from agent.exporter.facts import Facts, RunFact, with_report, with_run
from agent.model.errors import StateError
from agent.model.plan import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from agent.model.finding import Report

OTHER = "other"


class Entry(Protocol):
    """One line of a history."""

    @property
    def kind(self) -> str:
        """Return check, plan, apply …"""
        ...

    @property
    def started(self) -> float:
        """Return epoch seconds."""
        ...

    @property
    def finished(self) -> float:
        """Return epoch seconds."""
        ...

    @property
    def summary(self) -> str:
        """Return the outcome and a few words."""
        ...


class News(Protocol):
    """A history that is watched."""

    def changed(self) -> bool:
        """Return whether there may be something new."""
        ...

    def look(self) -> AbstractContextManager[None]:
        """Return the time in which it is read, and what else is kept beside it."""
        ...

    def news(self) -> Iterable[tuple[Entry, Report | None]]:
        """Yield what is new, oldest first. Raises StateError."""
        ...


class HistoryLook:
    """Call it for the facts; it returns the same object while nothing changed.

    `more` adds what does not stand in reports (drift, smoke figures); it is asked when the history changed,
    and may raise StateError.
    """

    def __init__(self, history: News, more: Callable[[Facts], Facts] = lambda facts: facts) -> None:
        self._history, self._more = history, more
        self._facts = Facts()

    def __call__(self) -> Facts:
        """Return the facts now. What cannot be read leaves the known facts, with the problem in them."""
        if self._history.changed() or self._facts.problem:
            facts, problem = replace(self._facts, problem=""), ""
            try:
                with self._history.look():
                    for entry, report in self._history.news():
                        facts = with_report(facts, report) if report is not None else _with_entry(facts, entry)
                    facts = self._more(facts)
            except StateError as error:
                problem = error.message
            told = replace(facts, problem=problem)
            if told != self._facts:
                self._facts = told
        return self._facts


def _with_entry(facts: Facts, entry: Entry) -> Facts:
    if entry.kind == "check":
        return facts  # its document is damaged
    word = entry.summary.partition(",")[0].strip()
    outcome = word if word in tuple(Outcome) else OTHER
    return with_run(facts, RunFact(entry.kind, outcome, entry.finished, max(0.0, entry.finished - entry.started)))
