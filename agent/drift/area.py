"""How an area of the fingerprint is declared: one small file in agent/drift/facts that ends in `AREAS`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.machine.api import Machine

Observer = Callable[["Machine"], dict[str, str]]
Places = Callable[[str, str, str], Sequence[str]]


def key_is_place(key: str, before: str, after: str) -> Sequence[str]:
    """Return the file a fact is about when its key is a path: the file itself, else the folder it was in."""
    return (key, key.rpartition("/")[0] or "/") if key.startswith("/") else ()


@dataclass(frozen=True, slots=True)
class Area:
    """Facts of one kind. What it observes must not change by itself: no times, counters, process ids, addresses.

    `observe` returns value by key; Missing means that there is no such thing here, Unobservable that one could not
    look. `places(key, before, after)` names files whose modification time tells when a fact changed, best first.
    `own`: equal machines differ here, so it is compared with the machine's own past only.
    """

    name: str
    title: str
    observe: Observer
    places: Places = key_is_place
    own: bool = False
