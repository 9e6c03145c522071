"""Looks at the cards again and again, through the NVML child process, and remembers every card it ever saw.

A driver that hangs is asked less and less often: each question may leave a process behind that cannot be killed.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.machine.gpu import Cards, gpu_memory, observe_cards
from agent.machine.kernels import REBOOT_MARKER, boots_another_kernel
from agent.model.errors import FirstlightError, Unobservable
from agent.model.gpu import Gpu, GpuMemory, Unread

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.machine.api import Machine

REMEMBERED = 64  # cards; a machine has at most 16
SLOWEST_S = 600.0
LAST_READING = "event_reasons"  # a card that has it was asked everything, whatever became of the others
PROBE_S = 10.0  # a sample takes no longer, its child's deadline included
STALE_AFTER = 3  # sampling intervals; older readings are not shown as if they were of now


@dataclass(frozen=True, slots=True)
class Card:
    """A card in the last sample. `state`: answering, lost, vanished, unasked. Times on the monotonic clock."""

    uuid: str
    state: str
    gpu: Gpu | None
    memory: GpuMemory | None
    answered: float


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at all cards. `failure` says why there was none; `at` is when it ended (monotonic)."""

    at: float
    took_s: float
    cards: tuple[Card, ...] = ()
    seen: Cards | None = None
    failure: str = ""
    reboot_pending: bool | None = None
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def nvml_state(self) -> str:
        """Return ok, failed, hung, crashed or unasked."""
        view = self.seen.view if self.seen is not None else None
        if view is None:
            return "failed" if self.failure else "unasked"
        if view.hung_in or view.died_in:
            return "hung" if view.hung_in else "crashed"
        return "failed" if view.failure else "ok"


class Sampler:
    """Samples in a thread of its own. `last` is replaced as a whole; nobody waits for it."""

    def __init__(self, machine: Callable[[], Machine], every_s: float, on_sample: Callable[[], None]) -> None:
        self._machine, self.every_s, self._on_sample = machine, every_s, on_sample
        self._ended = threading.Event()
        self._answered: dict[str, tuple[int, float]] = {}  # uuid: index, when
        self._counts = {"ok": 0, "failed": 0, "hung": 0, "crashed": 0, "unasked": 0}
        self._troubles = 0
        self.started = time.monotonic()
        self.last: Sample | None = None
        self.expected: frozenset[str] = frozenset()  # UUIDs that others saw; a card that is gone since is told too

    def run(self) -> None:
        """Sample until `end` is called."""
        while not self._ended.is_set():
            self.sample()
            self._on_sample()
            self._ended.wait(self.pause_s())

    def end(self) -> None:
        """Let `run` return after the present sample."""
        self._ended.set()

    def pause_s(self) -> float:
        """Return the seconds to the next sample: doubled by each one in a row that hung or crashed."""
        return min(max(SLOWEST_S, self.every_s), self.every_s * (1 << min(self._troubles, 20)))

    def is_stale(self) -> bool:
        """Return whether the last sample is too old for its readings to be shown."""
        since = self.last.at if self.last is not None else self.started
        return time.monotonic() - since > STALE_AFTER * self.every_s + PROBE_S

    def moves(self) -> bool:
        """Return whether samples still come; a driver that hangs is asked seldom, which is no standstill."""
        since = self.last.at if self.last is not None else self.started
        return time.monotonic() - since < self.pause_s() + STALE_AFTER * PROBE_S

    def sample(self) -> Sample:
        """Look once and remember what was seen."""
        began = time.monotonic()
        machine = self._machine()
        seen, failure, reboot = None, "", None
        try:
            reboot = reboot_pending(machine)
            seen = observe_cards(machine)
        except FirstlightError as error:
            failure = error.message
        except OSError as error:
            failure = f"no process can be started: {error.strerror or error}"
        now = time.monotonic()
        cards = self._cards(seen, machine, now)
        made = Sample(now, now - began, cards, seen, failure, reboot)
        self._counts[made.nvml_state] += 1
        self._troubles = self._troubles + 1 if failure or made.nvml_state in ("hung", "crashed") else 0
        self.last = Sample(now, now - began, cards, seen, failure, reboot, dict(self._counts))
        return self.last

    def _cards(self, seen: Cards | None, machine: Machine, now: float) -> tuple[Card, ...]:
        view = seen.view if seen is not None else None
        for uuid in self.expected:
            self._answered.setdefault(uuid, (-1, self.started))
        found: dict[str, Card] = {}
        for gpu in view.gpus if view is not None and not view.failure else ():
            uuid = self._uuid(gpu)
            asked = bool(gpu.uuid) and not gpu.lost_code and LAST_READING in gpu.readings
            if asked:
                self._answered[uuid] = (gpu.index, now)
            state = "lost" if gpu.lost_code else "answering" if asked else "unasked"
            found[uuid] = Card(uuid, state, gpu, _memory(gpu, machine) if asked else None,
                               self._answered.get(uuid, (0, self.started))[1])
        told = view is not None and not (view.failure or view.hung_in or view.died_in)
        for uuid, (_, answered) in self._answered.items():
            if uuid not in found:
                found[uuid] = Card(uuid, "vanished" if told else "unasked", None, None, answered)
        for old in sorted(self._answered, key=lambda uuid: self._answered[uuid][1])[:-REMEMBERED]:
            del self._answered[old]
        return tuple(found.values())

    def _uuid(self, gpu: Gpu) -> str:
        """Return a card's UUID; of one that does not say it, that of the card last seen in its place."""
        if gpu.uuid:
            return gpu.uuid
        newest = sorted(self._answered.items(), key=lambda item: item[1][1])
        return {index: uuid for uuid, (index, _) in newest}.get(gpu.index, gpu.subject)


def reboot_pending(machine: Machine) -> bool | None:
    """Return whether a package asks for a reboot or another kernel boots next; None when that cannot be told."""
    try:
        return machine.exists(REBOOT_MARKER) or boots_another_kernel(machine)
    except Unobservable:
        return None


def _memory(gpu: Gpu, machine: Machine) -> GpuMemory | None:
    try:
        seen = gpu_memory(gpu, machine)
    except Unobservable:
        return None  # /proc/meminfo cannot be read: no series, as for any reading that failed
    return seen if isinstance(seen, GpuMemory) else None


def unread_count(gpu: Gpu) -> int:
    """Return how many readings of a card failed with an error."""
    return sum(isinstance(value, Unread) for value in gpu.readings.values())
