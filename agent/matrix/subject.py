"""Which card is meant: by name, PCI id or compute capability; several rows that agree become one subject."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.matrix.version import order
from agent.model.errors import UsageError

if TYPE_CHECKING:
    from agent.matrix.rows import Card
    from agent.matrix.tables import Matrix

_MAKER = {"nvidia", "geforce", "tesla", "generation"}


@dataclass(frozen=True, slots=True)
class Subject:
    """The card asked about. `modules`: required, supported, unsupported, or "depends" where rows differ.

    `rows` is empty when no row knows the card; then `capability` may be empty too.
    """

    name: str
    capability: str = ""
    modules: str = ""
    driver_maybe: str = ""
    driver_sure: str = ""
    unified: bool = False
    rows: tuple[str, ...] = ()


def find_subject(text: str, matrix: Matrix) -> Subject:
    """Return the card meant. Raises UsageError when the words fit cards of several generations."""
    cards = _find_cards(text.strip(), matrix)
    if not cards:
        return Subject(text.strip())
    capabilities = sorted({card.capability for card in cards}, key=order)
    if len(capabilities) > 1:
        names = ", ".join(card.name for card in cards)
        raise UsageError(f"{text}: fits several cards", f"say which: {names}")
    return Subject(
        name=cards[0].name if len(cards) == 1 else text.strip(),
        capability=capabilities[0],
        modules=cards[0].modules if len({card.modules for card in cards}) == 1 else "depends",
        driver_maybe=min((card.driver_maybe for card in cards), key=order),
        driver_sure=max((card.driver_sure for card in cards), key=order),
        unified=all(card.unified == "full" for card in cards),
        rows=tuple(card.id for card in cards),
    )


def _find_cards(text: str, matrix: Matrix) -> tuple[Card, ...]:
    device = text.lower().removeprefix("10de:").removeprefix("0x")
    found = tuple(card for card in matrix.cards if device in card.pci)
    if found:
        return found
    capability = re.fullmatch(r"(?:sm_?)?(\d+)\.?(\d)", text.lower())
    if capability:
        wanted = f"{capability[1]}.{capability[2]}"
        return tuple(card for card in matrix.cards if card.capability == wanted)
    words = _words(text)
    for card in matrix.cards:
        if any(_words(name) == words for name in (card.name, *card.aliases)):
            return (card,)
    return tuple(card for card in matrix.cards if words and set(words) <= set(_words(card.name)))


def _words(name: str) -> tuple[str, ...]:
    plain = (word for word in re.split(r"[^a-z0-9]+", name.lower()) if word)
    return tuple(word for word in plain if word not in _MAKER)
