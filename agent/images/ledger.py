"""What we pulled, so that only that is ever taken away again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.images.reference import parse_reference
from agent.model.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from agent.images.engine import Engine
    from agent.images.pulling import Pulled


@dataclass(frozen=True, slots=True)
class Kept:
    """One image we pulled: its name, digest, the engine's id, and when (seconds since the epoch)."""

    reference: str
    digest: str
    image: str
    pulled: float


class Ledger:
    """The file of what we pulled. `write(path, text)` writes it whole or not at all."""

    def __init__(self, file: Path, write: Callable[[Path, str], None]) -> None:
        self.file, self._write = file, write

    def load(self) -> dict[str, Kept]:
        """Return what we pulled, by reference. Raises StateError for a file that is not ours."""
        try:
            items = json.loads(self.file.read_text(encoding="utf-8"))["images"]
            return {item["reference"]: Kept(**item) for item in items}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise StateError(f"{self.file}: cannot be read: {error}",
                             "move it away; images pulled so far are then nobody's to clean") from error

    def note(self, pulled: Pulled, now: float) -> None:
        """Remember a pulled image."""
        kept = self.load()
        kept[pulled.reference] = Kept(pulled.reference, pulled.digest, pulled.image, now)
        self._save(kept)

    def forget(self, reference: str) -> None:
        """Forget an image."""
        kept = self.load()
        if kept.pop(reference, None):
            self._save(kept)

    def _save(self, kept: dict[str, Kept]) -> None:
        document = {"images": [asdict(item) for item in kept.values()]}
        self._write(self.file, json.dumps(document, indent=2) + "\n")


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What became of one image of the ledger: removed, or kept because of `why`."""

    reference: str
    removed: bool
    why: str


def clean(ledger: Ledger, engine: Engine, wanted: Collection[str], *, really: bool) -> list[Cleaned]:
    """Remove what we pulled and nobody wants any more; `wanted` are references. Nothing of others is touched."""
    done = []
    for kept in ledger.load().values():
        why = _reason_to_keep(kept, engine, wanted)
        if why is None:
            if really:
                engine.remove_image(parse_reference(kept.reference).tagged)
                ledger.forget(kept.reference)
            done.append(Cleaned(kept.reference, True, "no profile wants it"))
        else:
            done.append(Cleaned(kept.reference, False, why))
    return done


def _reason_to_keep(kept: Kept, engine: Engine, wanted: Collection[str]) -> str | None:
    if kept.reference in wanted:
        return "the profile wants it"
    image = engine.find_image(parse_reference(kept.reference).tagged)
    if image is None:
        return None
    if image["Id"] != kept.image:
        return "somebody else has put another image under this name"
    using = engine.containers_of(kept.image)
    return f"containers use it: {', '.join(using)}" if using else None
