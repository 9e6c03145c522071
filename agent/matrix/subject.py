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
_CAPABILITY = re.compile(r"(\d{1,2})\.(\d)|sm_?(\d{1,2})(\d)a?")


@dataclass(frozen=True, slots=True)
class Subject:
    """The card asked about. `modules`: required, supported, unsupported, or "depends" where rows differ.

    `rows` is empty when no row knows the card; then `capability` may be empty too. The drivers are empty when
    only its generation is known. `architectures`: the only CPUs it comes with; empty: it goes into a slot of any.
    """

    name: str
    capability: str = ""
    modules: str = ""
    driver_maybe: str = ""
    driver_sure: str = ""
    unified: bool = False
    architectures: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()


def find_subject(text: str, matrix: Matrix) -> Subject:
    """Return the card meant. Raises UsageError when the words fit cards of several generations."""
    text = text.strip()
    asked = _capability(text)
    cards = _of_capability(asked, matrix) if asked else _find_cards(text, matrix)
    if not cards:
        generation = matrix.find_architecture(asked) if asked else None
        return Subject(text, asked, "depends" if generation else "", rows=(generation.id,) if generation else ())
    capabilities = sorted({card.capability for card in cards}, key=order)
    if len(capabilities) > 1:
        names = ", ".join(card.name for card in cards)
        raise UsageError(f"{text}: fits several cards", f"say which: {names}")
    return Subject(
        name=cards[0].name if len(cards) == 1 else text,
        capability=capabilities[0],
        modules=cards[0].modules if len({card.modules for card in cards}) == 1 else "depends",
        driver_maybe=min((card.driver_maybe for card in cards), key=order),
        driver_sure=max((card.driver_sure for card in cards), key=order),
        unified=all(card.unified == "full" for card in cards),
        architectures=_architectures(cards),
        rows=tuple(card.id for card in cards),
    )


def _architectures(cards: tuple[Card, ...]) -> tuple[str, ...]:
    """Return the CPUs the cards come with; none when one of them goes into a slot."""
    if not all(card.architectures for card in cards):
        return ()
    return tuple(sorted({architecture for card in cards for architecture in card.architectures}))


def near_cards(text: str, matrix: Matrix) -> tuple[str, ...]:
    """Return the names of at most three cards that look like `text`, the nearest first."""
    from difflib import get_close_matches

    names = {_squeezed(name): card.name for card in matrix.cards for name in (card.name, *card.aliases)}
    names |= {name.removeprefix("rtx"): card for name, card in names.items()}
    found = get_close_matches(_squeezed(text), list(names), n=3, cutoff=0.6)
    return tuple(dict.fromkeys(names[name] for name in found))


def _capability(text: str) -> str:
    """Return the compute capability a text is (`8.9`, `sm_89`); empty when it is none."""
    found = _CAPABILITY.fullmatch(text.lower())
    return f"{found[1] or found[3]}.{found[2] or found[4]}" if found else ""


def _of_capability(capability: str, matrix: Matrix) -> tuple[Card, ...]:
    return tuple(card for card in matrix.cards if card.capability == capability)


def _find_cards(text: str, matrix: Matrix) -> tuple[Card, ...]:
    device = text.lower().removeprefix("10de:").removeprefix("0x")
    found = tuple(card for card in matrix.cards if device in card.pci)
    if found:
        return found
    squeezed = _squeezed(text)
    for card in matrix.cards:
        names = {_squeezed(name) for name in (card.name, *card.aliases)}
        if squeezed in names or f"rtx{squeezed}" in names:
            return (card,)
    words = set(_words(text))
    return tuple(card for card in matrix.cards if words and words <= set(_words(card.name)))


def _squeezed(name: str) -> str:
    return "".join(_words(name))


def _words(name: str) -> tuple[str, ...]:
    plain = (word for word in re.split(r"[^a-z0-9]+", name.lower()) if word)
    return tuple(word for word in plain if word not in _MAKER)
