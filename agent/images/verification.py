"""What is known of an image before a byte of it is pulled: there for this CPU, as pinned, and with room for it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.images.credentials import Login, find_login
from agent.images.fit import Wanted, find_relative, find_replacement
from agent.images.registry import Layer, Offer, Registry
from agent.matrix.tables import Matrix
from agent.matrix.verdicts import Answer
from agent.model.errors import FirstlightError
from agent.resources import images

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent.images.catalogue import Catalogue
    from agent.images.fit import Host
    from agent.images.ledger import First

# Layers lie compressed and unpacked side by side until a pull ends; GPU images unpack to about twice their size.
ROOM_FACTOR = 3
AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Verified:
    """The answer about one image. `no`: it must not be pulled; `unknown`: it could not be told.

    `impossible`: the registry or the disk stands against it, so no word of the user's helps. `failures` are those of
    others on this machine's cards.
    """

    reference: str
    answer: Answer
    says: tuple[str, ...]
    digest: str = ""
    architectures: tuple[str, ...] = ()
    layers: tuple[Layer, ...] = ()
    instead: str = ""
    failures: tuple[str, ...] = ()
    impossible: bool = False

    @property
    def size_bytes(self) -> int:
        """Compressed bytes to download."""
        return sum(layer.size_bytes for layer in self.layers)

    @property
    def room_bytes(self) -> int:
        """Estimated room on the disk while it is pulled."""
        return self.size_bytes * ROOM_FACTOR

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "reference": self.reference, "answer": str(self.answer), "says": list(self.says),
            "digest": self.digest, "architectures": list(self.architectures), "size_bytes": self.size_bytes,
            "room_bytes": self.room_bytes, "instead": self.instead, "known_failures": list(self.failures),
        }


class Verifier:
    """Asks registries for one machine (or another platform). One login per registry, read once.

    `firsts` are the digests first seen by `name:tag`: a name that moved since is told; with `hold` the registry is
    asked for that digest and not for what stands under the name now.
    """

    def __init__(self, host: Host, catalogue: Catalogue, *, credentials: str, available_bytes: int | None,
                 layers: bool = False, firsts: Mapping[str, First] | None = None, hold: bool = False) -> None:
        self.host, self._catalogue = host, catalogue
        self._credentials, self._available_bytes, self._layers = credentials, available_bytes, layers
        self._firsts, self._hold = firsts or {}, hold
        self._registries: dict[str, Registry] = {}

    def login(self, host: str) -> Login | None:
        """Return the login to a registry. Raises FirstlightError when its file cannot be used."""
        return self._registry(host).login

    def _registry(self, host: str) -> Registry:
        if host not in self._registries:
            self._registries[host] = Registry(host, find_login(host, self._credentials))
        return self._registries[host]

    def verify_all(self, wanted: Sequence[Wanted]) -> list[Verified]:
        """Return the answers in the order asked; several registries and images at once."""
        for host in {image.reference.host for image in wanted}:
            self._registry(host)
        with ThreadPoolExecutor(AT_ONCE, "firstlight-registry") as pool:
            return list(pool.map(self.verify, wanted))

    def verify(self, wanted: Wanted) -> Verified:
        """Return the answer about one image. Never raises for what a registry says or does not say."""
        reference, entry = wanted.reference, wanted.entry
        if entry is not None and entry.build:
            made = f"it is made here: docker build -t {reference} {images() / entry.build}"
            return Verified(str(reference), Answer.YES, (made,))
        first = None if reference.digest else self._firsts.get(reference.tagged)
        asked = reference.at(first.digest) if first and self._hold else reference
        try:
            registry = self._registry(reference.host)
            offer = registry.offer(asked, self.host.architecture)
            damage = registry.missing_layers(asked, offer.layers) if self._layers else []
        except FirstlightError as error:
            lasting = getattr(error, "lasting", True)
            hint = (renewal(first),) if first and self._hold and lasting else (error.hint,) if error.hint else ()
            return Verified(str(reference), Answer.NO if lasting else Answer.UNKNOWN, (error.message, *hint),
                            first.digest if first and self._hold else "",
                            instead=self._instead(wanted) if lasting else "", impossible=True)
        moved = (renewal(first),) if first and first.digest != offer.digest else ()
        against = list(damage)
        if self.host.architecture not in offer.architectures:
            only = " and ".join(offer.architectures) or "no Linux platform"
            against.append(f"the registry has it for {only}, not for {self.host.architecture}")
        need_bytes = sum(layer.size_bytes for layer in offer.layers) * ROOM_FACTOR
        if self._available_bytes is not None and need_bytes > self._available_bytes:
            against.append(f"it needs about {gigabytes(need_bytes)} on the disk while it is pulled, "
                           f"{gigabytes(self._available_bytes)} are free")
        return self._judged(wanted, against, offer, moved)

    def _judged(self, wanted: Wanted, against: list[str], offer: Offer, moved: tuple[str, ...]) -> Verified:
        fit = wanted.fit
        said = (f"no source says whether it exists for {self.host.architecture}",)
        unsure = [*moved, *(text for text in fit.unsure if text not in said)]
        impossible = bool(against)
        against += [text for text in fit.against if text not in against]
        answer = Answer.NO if against else Answer.UNKNOWN if unsure else Answer.YES
        seen = self.host.capabilities
        failures = tuple(failure.what for failure in (wanted.entry.failures if wanted.entry else ())
                         if not failure.capability or seen & set(failure.capability))
        return Verified(
            str(wanted.reference), answer, (*against, *unsure), offer.digest, offer.architectures, offer.layers,
            self._instead(wanted) if against else "", failures, impossible,
        )

    def _instead(self, wanted: Wanted) -> str:
        """Return the reference of the catalogue's replacement; empty without one."""
        entry = wanted.entry or find_relative(wanted.reference, self._catalogue)
        if entry is None:
            return ""
        found = find_replacement(entry, self._catalogue, self.host, Matrix())
        return found.reference if found else ""


def renewal(first: First) -> str:
    """Return what is said of a name whose image is another than the one first seen here."""
    return (f"first pulled here on {first.date} as {first.digest}, and kept at that; to take what the registry has "
            f"now: firstlight images pull --renew {first.name}")


def gigabytes(size_bytes: int) -> str:
    """Return a size for people, in powers of ten as disks and registries count."""
    if size_bytes >= 10**9:
        return f"{size_bytes / 10**9:.1f} GB"
    return f"{size_bytes / 10**6:.1f} MB" if size_bytes >= 10**6 else f"{size_bytes / 1000:.0f} kB"
