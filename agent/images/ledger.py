"""What we pulled, so that only that is ever taken away again; and under which digest each name was first seen."""

from __future__ import annotations

import json
import time
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


@dataclass(frozen=True, slots=True)
class First:
    """The digest under which a `name:tag` was first pulled here, and when (seconds since the epoch)."""

    name: str
    digest: str
    seen: float

    @property
    def date(self) -> str:
        """The day, of this machine's clock."""
        return time.strftime("%Y-%m-%d", time.localtime(self.seen))


class Ledger:
    """The file of what we pulled. `write(path, text)` writes it whole or not at all."""

    def __init__(self, file: Path, write: Callable[[Path, str], None]) -> None:
        self.file, self._write = file, write

    def load(self) -> dict[str, Kept]:
        """Return what we pulled, by reference. Raises StateError for a file that is not ours."""
        return self._read()[0]

    def firsts(self) -> dict[str, First]:
        """Return the digests first seen, by `name:tag`. Raises StateError for a file that is not ours."""
        return self._read()[1]

    def note(self, pulled: Pulled, now: float, *, renew: bool = False) -> None:
        """Remember an image that is here: when we pulled it as ours, and its digest if it is the name's first.

        Whoever names a digest has decided; nothing is kept of that.
        `renew`: the digest takes the place of the one first seen.
        """
        kept, firsts = self._read()
        before = (dict(kept), dict(firsts))
        if pulled.fresh:
            kept[pulled.reference] = Kept(pulled.reference, pulled.digest, pulled.image, now)
        reference = parse_reference(pulled.reference)
        if not reference.digest and (renew or reference.tagged not in firsts):
            firsts[reference.tagged] = First(reference.tagged, pulled.digest, now)
        if (kept, firsts) != before:
            self._save(kept, firsts)

    def forget(self, reference: str) -> None:
        """Forget an image; the digest its name was first seen with stays."""
        kept, firsts = self._read()
        if kept.pop(reference, None):
            self._save(kept, firsts)

    def _read(self) -> tuple[dict[str, Kept], dict[str, First]]:
        try:
            found = json.loads(self.file.read_text(encoding="utf-8"))
            return ({item["reference"]: Kept(**item) for item in found["images"]},
                    {item["name"]: First(**item) for item in found.get("first_digests", ())})
        except FileNotFoundError:
            return {}, {}
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise StateError(f"{self.file}: cannot be read: {error}",
                             "move it away; images pulled so far are then nobody's to clean") from error

    def _save(self, kept: dict[str, Kept], firsts: dict[str, First]) -> None:
        document = {"images": [asdict(item) for item in kept.values()],
                    "first_digests": [asdict(item) for item in firsts.values()]}
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
