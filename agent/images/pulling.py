"""Pulls what was verified: by digest, with byte progress and retries, and looks afterwards at what came."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from agent.images.credentials import LOGIN_HINT, Login
from agent.images.engine import Engine, EngineSilentError
from agent.images.entry_point import observe_entry_point
from agent.images.reference import Reference, parse_reference
from agent.images.verification import gigabytes
from agent.model.errors import FirstlightError

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.images.verification import Verified

PAUSES_S = (5.0, 15.0)  # the engine itself tries a layer five times, which takes over a minute


class Trouble(StrEnum):
    """What a failed pull was about. Only `network` and `limited` pass by themselves."""

    NETWORK = "network"
    LIMITED = "limited"
    DISK = "disk"
    DAMAGED = "damaged"
    DENIED = "denied"
    MISSING = "missing"


_WORDS = (
    (Trouble.DISK, ("no space left", "disk quota")),
    (Trouble.LIMITED, ("toomanyrequests", "too many requests", "rate limit", "429")),
    (Trouble.DAMAGED, ("verification failed", "digest mismatch", "unexpected commit digest", "wrong diff id",
                       "invalid checksum", "failed precondition", "unexpected eof: failed to register",
                       "error processing tar file", "invalid tar header", "gzip: invalid")),
    (Trouble.DENIED, ("unauthorized", "denied", "authentication required", "forbidden")),
    (Trouble.MISSING, ("manifest unknown", "not found", "blob unknown", "no matching manifest",
                       "does not match the specified platform")),
)
_HINTS = {
    Trouble.DISK: "free some room: docker system df; firstlight images clean",
    Trouble.LIMITED: "wait, or log in: a login has a limit of its own",
    Trouble.DAMAGED: "tell the registry's owner, or pull from another one",
    Trouble.DENIED: LOGIN_HINT,
    Trouble.MISSING: "look at the name and the tag: firstlight images verify",
    Trouble.NETWORK: "look at the network and the proxy, then pull again",
}


def trouble_of(text: str) -> Trouble:
    """Return what an engine's error text is about."""
    low = text.lower()
    return next((kind for kind, words in _WORDS if any(word in low for word in words)), Trouble.NETWORK)


@dataclass(slots=True)
class Progress:
    """Bytes of a pull, by the first 12 digits of each layer."""

    sizes: dict[str, int]
    done: dict[str, int] = field(default_factory=dict)

    def take(self, report: dict[str, Any]) -> bool:
        """Take over a report of the engine; True when the count moved."""
        layer, status = str(report.get("id", "")), str(report.get("status", ""))
        if layer not in self.sizes:
            return False
        before = self.done.get(layer, 0)
        if status == "Downloading":
            now = int((report.get("progressDetail") or {}).get("current") or 0)
        elif status in ("Download complete", "Pull complete", "Already exists", "Verifying Checksum", "Extracting"):
            now = self.sizes[layer]
        else:
            return False
        self.done[layer] = min(now, self.sizes[layer])
        return self.done[layer] != before

    @property
    def done_bytes(self) -> int:
        """Bytes that are here."""
        return sum(self.done.values())

    @property
    def total_bytes(self) -> int:
        """Bytes to come in all."""
        return sum(self.sizes.values())


@dataclass(frozen=True, slots=True)
class Pulled:
    """An image that is here now. `fresh`: it was not here before; `program`: what was looked at in it."""

    reference: str
    digest: str
    image: str
    fresh: bool
    program: str
    attempts: int
    duration_s: float


@dataclass(slots=True)
class Puller:
    """Pulls images for one architecture (docker's word)."""

    engine: Engine
    architecture: str
    login: Callable[[str], Login | None]
    verify_again: Callable[[Reference], str]
    on_progress: Callable[[Reference, Progress, str], None]
    sleep: Callable[[float], None] = time.sleep

    def present(self, reference: Reference, digest: str) -> dict[str, Any] | None:
        """Return the image when it is here under its name, with that digest and for this architecture."""
        image = self.engine.find_image(reference.tagged)
        held = {parse_reference(text).digest for text in (image or {}).get("RepoDigests") or ()}
        good = image is not None and digest in held and image.get("Architecture") == self.architecture
        return image if good else None

    def is_here(self, reference: Reference) -> bool:
        """Return whether an image is here for this architecture, as pinned where a digest is named."""
        image = self.engine.find_image(reference.tagged)
        held = {parse_reference(text).digest for text in (image or {}).get("RepoDigests") or ()}
        fits = image is not None and image.get("Architecture") == self.architecture
        return fits and (not reference.digest or reference.digest in held)

    def pull(self, verified: Verified) -> Pulled:
        """Pull a verified image unless it is here. Raises FirstlightError that names the trouble."""
        begun, reference = time.monotonic(), parse_reference(verified.reference)
        image = self.present(reference, verified.digest)
        if image is not None:
            program, wrong = self._look(image)
            if wrong:
                raise FirstlightError(f"{reference}: is here, but {wrong}", "it was not pulled by us and is left: "
                                      f"docker image rm {reference}, and tell the registry's owner")
            return Pulled(str(reference), verified.digest, str(image["Id"]), False, program, 0, 0.0)
        attempts = self._fetch(reference, verified)
        image = self.engine.find_image(f"{reference.name}@{verified.digest}")
        if image is None:
            raise FirstlightError(f"{reference}: Docker reported success, but the image is not there")
        program, wrong = self._look(image)
        if wrong:
            self.engine.remove_image(f"{reference.name}@{verified.digest}")
            raise FirstlightError(f"{reference}: was pulled for {self.architecture}, but {wrong}; it was removed again",
                                  "tell the registry's owner: the image is labelled wrongly")
        if reference.tag:
            self.engine.tag(str(image["Id"]), reference.name, reference.tag)
        took_s = time.monotonic() - begun
        return Pulled(str(reference), verified.digest, str(image["Id"]), True, program, attempts, took_s)

    def _fetch(self, reference: Reference, verified: Verified) -> int:
        """Have the engine pull by digest; returns the number of attempts. The engine keeps what it has unpacked."""
        login = self.login(reference.host)
        header = login.for_engine(reference.host) if login else ""
        for attempt, pause_s in enumerate((*PAUSES_S, None), 1):
            progress = Progress({layer.digest[7:19]: layer.size_bytes for layer in verified.layers})
            said = self._attempt(reference, verified.digest, header, progress)
            if not said:
                return attempt
            said = login.masked(said) if login else said
            kind = trouble_of(said)
            if kind not in (Trouble.NETWORK, Trouble.LIMITED) or pause_s is None:
                raise FirstlightError(f"{reference}: {_sentence(kind, progress)}: {said}", _HINTS[kind])
            if kind is Trouble.LIMITED and (refused := self.verify_again(reference)):
                raise FirstlightError(refused, _HINTS[kind])
            self.on_progress(reference, progress, f"{said}; again in {pause_s:g} s")
            self.sleep(pause_s)
        raise AssertionError("the last attempt returns or raises")

    def _attempt(self, reference: Reference, digest: str, login: str, progress: Progress) -> str:
        """Return the engine's error text, empty on success."""
        platform = f"linux/{self.architecture}"
        try:
            for report in self.engine.pull(reference.name, digest, platform, login):
                if report.get("error"):
                    return str(report["error"])
                if progress.take(report):
                    self.on_progress(reference, progress, "")
                elif str(report.get("status", "")).startswith("Retrying in"):
                    self.on_progress(reference, progress, f"the connection broke; {report['status']}")
        except EngineSilentError as error:
            return error.message
        return ""

    def _look(self, image: dict[str, Any]) -> tuple[str, str]:
        """Return the program that was looked at in an image, and what makes it one for another CPU; "" when nothing."""
        label = str(image.get("Architecture", ""))
        built, path = observe_entry_point(self.engine, image)
        if built not in ("", self.architecture):
            return path, f"{path} in it is built for {built}"
        return path, "" if label == self.architecture else f"it says it is for {label}"


def _sentence(kind: Trouble, progress: Progress) -> str:
    got = f"{gigabytes(progress.done_bytes)} of {gigabytes(progress.total_bytes)} came"
    return {
        Trouble.NETWORK: f"the pull broke off ({got})", Trouble.LIMITED: "the registry limits how often we may pull",
        Trouble.DISK: f"the disk is full ({got})", Trouble.DAMAGED: "what the registry sent is damaged",
        Trouble.DENIED: "the registry refuses access", Trouble.MISSING: "the registry lacks a part of it",
    }[kind]
