"""A profile and those it extends, merged into one: mappings key by key, everything else replaced."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from agent.config.files import load_file
from agent.config.source import KeyPath, Place, Source, load_source
from agent.model.errors import ProfileError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

OWN = ("match", "title")  # a profile's own: never inherited


def load_chain(file: Path, parent: Path | None = None) -> list[Source]:
    """Return a profile and all it extends, the outermost ancestor first.

    `parent` stands in where the first file has no `extends`. Raises ProfileError: cycles, unknown names, faults.
    """
    chain = [load_source(file)]
    seen = [_same(file)]
    while following := _parent(chain[0], parent if len(chain) == 1 else None):
        if _same(following) in seen:
            names = " -> ".join(source.file.name for source in [*reversed(chain)])
            place = chain[0].places.get(("extends",), Place(str(chain[0].file), 1, 1))
            raise ProfileError(
                f"{place}: profiles extend each other in a circle ({names} -> {following.name}); "
                "take one `extends` out"
            )
        seen.append(_same(following))
        chain.insert(0, load_source(following))
    return chain


def _same(file: Path) -> str:
    return os.path.realpath(file)


def _parent(source: Source, instead: Path | None) -> Path | None:
    wanted = source.data.get("extends")
    if wanted is None:
        return instead
    place = source.places["extends",]
    if not isinstance(wanted, str) or not wanted:
        raise ProfileError(
            f"{place}: extends is {wanted!r}; it must be the name or the file of one profile"
        )
    try:
        found = load_file(wanted, source.file.parent)
    except ProfileError as error:
        raise ProfileError(f"{place}: {error.message}") from error
    if not found.is_file():
        raise ProfileError(f"{place}: extends names {found}, which does not exist; correct the path")
    return found


def merged(chain: Sequence[Source]) -> tuple[dict[str, Any], dict[KeyPath, Place]]:
    """Return the merged data and, for every value in it, the place it came from."""
    data: dict[str, Any] = {}
    places: dict[KeyPath, Place] = {}
    for source in chain:
        for own in OWN:
            _forget(places, (own,))
            data.pop(own, None)
        _merge(data, source.data, source, places, ())
        places[()] = source.places[()]
    return data, places


def _merge(
    into: dict[str, Any], new: dict[str, Any], source: Source, places: dict[KeyPath, Place], path: KeyPath
) -> None:
    for key, value in new.items():
        here = (*path, key)
        old = into.get(key)
        if isinstance(value, dict) and isinstance(old, dict):
            places[here] = source.places[here]
            _merge(old, value, source, places, here)
            continue
        _forget(places, here)
        places.update({at: place for at, place in source.places.items() if at[: len(here)] == here})
        into[key] = _copied(value)


def _copied(value: Any) -> Any:
    return {key: _copied(item) for key, item in value.items()} if isinstance(value, dict) else value


def _forget(places: dict[KeyPath, Place], path: KeyPath) -> None:
    for gone in [at for at in places if at[: len(path)] == path]:
        del places[gone]
