"""The page that is served. It is rendered when data arrives; a scrape copies bytes and adds to the ages."""

from __future__ import annotations

import gzip
import itertools
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from agent.exporter.fact_samples import add_ages, add_facts
from agent.exporter.gathering import Gathering
from agent.exporter.gpu_samples import add_sample, add_sample_ages

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.exporter.facts import Facts
    from agent.exporter.sampler import Sampler

TEXT, OPENMETRICS = "text", "openmetrics"
CONTENT_TYPES = {TEXT: CONTENT_TYPE_PLAIN_0_0_4, OPENMETRICS: openmetrics.CONTENT_TYPE_LATEST}
_EOF = b"# EOF\n"
_KEPT_S = 600.0  # a format nobody asked for so long is not rendered in advance
_FAST = 1
READINGS, APART_S = 10, 0.001
CLOCK_SET_S = 0.01  # the wall clock was set, or has run away from the other by so much
SCRAPES = "firstlight_scrapes_total"


@dataclass(frozen=True, slots=True)
class Rendered:
    """A page in one format: what is settled, and the ages as they were at `at` (monotonic)."""

    settled: bytes
    lines: tuple[tuple[str, float | None], ...]
    at: float

    def ages(self, now: float, scrapes: int) -> bytes:
        """Return the rest of the page at `now`: every age has grown since."""
        passed = now - self.at
        return "".join(
            f"{text}\n" if value is None else f"{text} {scrapes}\n" if text == SCRAPES
            else f"{text} {value + passed:.3f}\n" for text, value in self.lines
        ).encode()


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment on both clocks, in seconds."""

    epoch: float
    monotonic: float


def this_instant() -> Instant:
    """Return now. Both clocks are read anew when the machine let us wait between them: ages must never go back."""
    for _ in range(READINGS):
        made = Instant(time.time(), time.monotonic())
        if time.time() - made.epoch < APART_S:
            break
    return made


class Exposition:
    """Rendered pages by format and compression. `refresh` is called when data arrives, `page` by every scrape."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        self._facts: Facts | None = None
        self._lock = threading.Lock()
        self._rendered: dict[tuple[str, bool], Rendered] = {}
        self._asked: dict[tuple[str, bool], float] = {}
        self._counter = itertools.count(1)
        self._scrapes = 0
        self._stale = False
        self._offset = 0.0

    def tell(self, facts: Facts) -> None:
        """Take new facts; a sample is looked up in the sampler. Renders only when something changed."""
        if facts is not self._facts or self._sampler.is_stale() != self._stale:
            self._facts = facts
            self.refresh()

    def refresh(self) -> None:
        """Render anew what was asked for lately."""
        with self._lock:
            now = time.monotonic()
            asked = {way: when for way, when in list(self._asked.items()) if now - when < _KEPT_S}
            gathered, instant = self.gather_settled(), self._instant()
            ages = self.gather_ages(instant)
            self._rendered = {way: _render(gathered, ages, instant.monotonic, *way) for way in asked}
            self._asked = asked

    def page(self, form: str, *, compressed: bool = False) -> bytes:
        """Return the whole page now."""
        self._scrapes = next(self._counter)
        way = (form, compressed)
        self._asked[way] = time.monotonic()
        found = self._rendered.get(way)
        if found is None:
            with self._lock:
                gathered, instant = self.gather_settled(), self._instant()
                found = _render(gathered, self.gather_ages(instant), instant.monotonic, *way)
                self._rendered[way] = found
        ages = found.ages(time.monotonic(), self._scrapes) + (_EOF if form == OPENMETRICS else b"")
        return found.settled + (gzip.compress(ages, _FAST) if compressed else ages)

    def _instant(self) -> Instant:
        """Return now, on clocks that stay apart by the same: what lies between two readings would let ages go back."""
        now = this_instant()
        offset = now.epoch - now.monotonic
        if abs(offset - self._offset) > CLOCK_SET_S:
            self._offset = offset
        return Instant(now.monotonic + self._offset, now.monotonic)

    def gather_settled(self) -> Gathering:
        """Return what changes only when data arrives."""
        into = Gathering()
        self._stale = self._sampler.is_stale()
        if self._facts is not None:
            add_facts(into, self._facts)
        if self._sampler.last is not None:
            add_sample(into, self._sampler.last, stale=self._stale)
        return into

    def gather_ages(self, instant: Instant) -> Gathering:
        """Return what changes with time alone, as it is at an instant."""
        into = Gathering()
        if self._facts is not None:
            add_ages(into, self._facts, instant.epoch)
        if self._sampler.last is not None:
            add_sample_ages(into, self._sampler.last, instant.monotonic)
        into.add(SCRAPES, self._scrapes)
        return into


def _render(gathered: Gathering, ages: Gathering, now: float, form: str, compressed: bool) -> Rendered:
    page = _page(gathered, form)
    return Rendered(gzip.compress(page, _FAST) if compressed else page, _lines(_page(ages, form).decode()), now)


def _lines(page: str) -> tuple[tuple[str, float | None], ...]:
    """Return each line of a page: a comment with None, a sample without its value and the value."""
    found: list[tuple[str, float | None]] = []
    for line in page.splitlines():
        text, _, value = line.rpartition(" ")
        found.append((line, None) if line.startswith("#") else (text, float(value)))
    return tuple(found)


def _page(gathered: Gathering, form: str) -> bytes:
    render: Callable[..., bytes] = openmetrics.generate_latest if form == OPENMETRICS else generate_latest
    return render(gathered).removesuffix(_EOF)


def negotiate(accept: str) -> str:
    """Return the format an Accept header prefers: OpenMetrics when it is named before plain text or weighs more."""
    weights = {OPENMETRICS: 0.0, TEXT: 0.0}
    for offer in accept.split(","):
        kind, *parameters = (part.strip().lower() for part in offer.split(";"))
        form = {"application/openmetrics-text": OPENMETRICS, "text/plain": TEXT}.get(kind)
        if form is not None:
            weights[form] = max(weights[form], _weight(parameters))
    return OPENMETRICS if weights[OPENMETRICS] > 0 and weights[OPENMETRICS] >= weights[TEXT] else TEXT


def accepts_gzip(accept: str) -> bool:
    """Return whether an Accept-Encoding header allows gzip."""
    for offer in accept.split(","):
        coding, *parameters = (part.strip().lower() for part in offer.split(";"))
        if coding == "gzip":
            return _weight(parameters) > 0
    return False


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
