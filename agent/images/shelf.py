"""The images of one machine: what its profile wants, what fits it, what registries say, what is here."""

from __future__ import annotations

import functools
import time
from pathlib import Path
from typing import TYPE_CHECKING

from agent.images.catalogue import load_catalogue
from agent.images.fit import Host, Wanted, choose, judge_fit, observe_host
from agent.images.reference import parse_reference
from agent.images.verification import Verified, Verifier
from agent.machine.docker import engine_runs, observe_info
from agent.matrix.tables import Matrix
from agent.matrix.verdicts import Answer
from agent.model.errors import Missing, Unobservable, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent.images.catalogue import Catalogue
    from agent.images.ledger import Cleaned, Ledger
    from agent.images.pulling import Progress, Pulled, Puller
    from agent.images.reference import Reference
    from agent.machine.api import Machine
    from agent.model.hardware import Hardware
    from agent.model.resolved import ResolvedProfile

DATA_ROOT = "/var/lib/docker"


class Shelf:
    """Images for this machine, or (`architecture`) for another CPU; then its cards and driver are not judged by."""

    def __init__(self, machine: Machine, hardware: Hardware, resolved: ResolvedProfile, ledger: Ledger,
                 catalogue: str | None = None, architecture: str | None = None,
                 credentials: str | None = None) -> None:
        self.machine, self.hardware, self.ledger = machine, hardware, ledger
        self.section = resolved.profile.images
        self.matrix = Matrix()
        self.architecture, self.credentials = architecture, credentials or self.section.credentials
        self._file = Path(catalogue) if catalogue else None

    @functools.cached_property
    def catalogue(self) -> Catalogue:
        """The shipped catalogue, or the one named. Raises ProfileError."""
        return load_catalogue(self._file)

    @functools.cached_property
    def host(self) -> Host:
        """What the images must fit."""
        host = observe_host(self.machine, self.hardware, self.matrix)
        return Host(self.architecture, host.cards, host.driver) if self.architecture else host

    @functools.cached_property
    def available_bytes(self) -> int | None:
        """Room where the engine keeps images; None when that cannot be seen."""
        try:
            folder = observe_info(self.machine).data_root or DATA_ROOT
        except Unobservable:
            folder = DATA_ROOT
        while True:
            try:
                return self.machine.space(folder).available_bytes
            except Missing:
                folder = folder.rpartition("/")[0] or "/"
            except Unobservable:
                return None

    def engine_runs(self) -> bool:
        """Return whether a dockerd runs here. Raises Unobservable."""
        return engine_runs(self.machine)

    def wanted(self, words: Sequence[str]) -> list[Wanted]:
        """Return the images meant by words of the command line or the profile. Raises UsageError."""
        found = [choose(word, self.catalogue, self.host, self.matrix) for word in words]
        return list({str(image.reference): image for image in found}.values())

    def everything(self) -> list[Wanted]:
        """Return every entry of the catalogue."""
        return [Wanted(parse_reference(entry.reference).at(entry.digest), entry,
                       judge_fit(entry, self.host, self.matrix)) for entry in self.catalogue.images]

    def verifier(self, *, layers: bool = False, hold: bool = False) -> Verifier:
        """Return what asks the registries. `hold`: for the digests first seen here, not for what names mean now."""
        return Verifier(self.host, self.catalogue, credentials=self.credentials, layers=layers, hold=hold,
                        available_bytes=self.available_bytes, firsts=self.ledger.firsts())

    def puller(self, verifier: Verifier, on_progress: Callable[[Reference, Progress, str], None]) -> Puller:
        """Return what pulls. Raises FirstlightError when there is no engine of this machine."""
        from agent.images.engine import Engine
        from agent.images.pulling import Puller

        def verify_again(reference: Reference) -> str:
            verified = verifier.verify(choose(str(reference), self.catalogue, self.host, self.matrix))
            return "" if verified.answer is not Answer.UNKNOWN or verified.digest else "; ".join(verified.says)

        return Puller(Engine(), self.host.architecture, verifier.login, verify_again, on_progress)

    def pull(self, verified: Verified, puller: Puller, *, renew: bool = False) -> Pulled:
        """Pull one image and note it in the ledger, `renew`: as what its name means from now on.

        Raises FirstlightError.
        """
        pulled = puller.pull(verified)
        self.ledger.note(pulled, time.time(), renew=renew)
        return pulled

    def clean(self, *, really: bool) -> list[Cleaned]:
        """Remove what we pulled and the profile does not want. Raises FirstlightError."""
        from agent.images.engine import Engine
        from agent.images.ledger import clean

        try:
            keep = {str(image.reference) for image in self.wanted(self.section.pull)}
        except UsageError as error:
            raise UsageError(f"what the profile wants cannot be told, so nothing is removed: {error.message}",
                             error.hint) from error
        return clean(self.ledger, Engine(), keep, really=really)
