"""Asks a registry (HTTP API v2) about an image: which platforms, how large, under which digest. Never for a layer."""

from __future__ import annotations

import hashlib
import json
import re
import urllib.parse
from dataclasses import dataclass, field
from typing import Any

from agent.images.credentials import LOGIN_HINT, Login
from agent.images.reference import HUB, Reference
from agent.images.transport import Answer, RegistryError, fetch

_INDEX = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
_IMAGE = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
ACCEPT = ", ".join((*_INDEX, *_IMAGE))
_LOOPBACK = re.compile(r"(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?")


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer as the manifest names it: compressed bytes."""

    digest: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Offer:
    """What a registry has under a reference: its digest, and per architecture (docker's word) the layers."""

    digest: str
    architectures: tuple[str, ...]
    layers: tuple[Layer, ...] = ()

    @property
    def size_bytes(self) -> int:
        """The compressed size of the layers of the architecture asked for."""
        return sum(layer.size_bytes for layer in self.layers)


def address_of(host: str) -> str:
    """Return the address of a registry: plain HTTP on this machine alone."""
    if host == HUB:
        return "https://registry-1.docker.io"
    return f"{'http' if _LOOPBACK.fullmatch(host) else 'https'}://{host}"


@dataclass(slots=True)
class Registry:
    """One registry, anonymous or with a login. Keeps the tokens it is given in memory alone."""

    host: str
    login: Login | None = None
    _tokens: dict[str, str] = field(default_factory=dict, repr=False)

    def offer(self, reference: Reference, architecture: str) -> Offer:
        """Return what stands under a reference, with the layers for one architecture where it is there.

        Raises RegistryError when there is no such image, no access, or what is there contradicts its digest.
        """
        digest, manifest = self._manifest(reference, reference.asked)
        if "manifests" not in manifest:
            made_for = self._architecture_of(reference, manifest)
            return Offer(digest, (made_for,), _layers(manifest) if made_for == architecture else ())
        found = {name: child for child in manifest["manifests"] if (name := _platform(child))}
        if architecture not in found:
            return Offer(digest, tuple(found), ())
        _, image = self._manifest(reference, str(found[architecture]["digest"]))
        return Offer(digest, tuple(found), _layers(image))

    def missing_layers(self, reference: Reference, layers: tuple[Layer, ...]) -> list[str]:
        """Return a sentence per layer that the registry lacks or keeps in another size. Asks by HEAD."""
        faults = []
        for layer in layers:
            answer = self._ask(reference, f"blobs/{layer.digest}", "HEAD")
            kept = answer.headers.get("content-length", "")
            if answer.status == 404:
                faults.append(f"layer {layer.digest[:19]} is missing")
            elif answer.status == 200 and kept.isdigit() and int(kept) != layer.size_bytes:
                faults.append(f"layer {layer.digest[:19]} has {kept} bytes instead of {layer.size_bytes}")
        return faults

    def _manifest(self, reference: Reference, asked: str) -> tuple[str, dict[str, Any]]:
        answer = self._ask(reference, f"manifests/{asked}")
        if answer.status != 200:
            raise refusal(reference, asked, answer)
        digest = "sha256:" + hashlib.sha256(answer.body).hexdigest()
        named = asked if asked.startswith("sha256:") else answer.headers.get("docker-content-digest", digest)
        if named != digest:
            raise RegistryError(f"{reference}: the registry's manifest is damaged: it is {digest[:19]}…, "
                                f"not {named[:19]}…", "tell the registry's owner; do not pull it")
        try:
            manifest = json.loads(answer.body)
        except ValueError as error:
            raise RegistryError(f"{reference}: the registry's manifest is no JSON: {error}") from error
        if not isinstance(manifest, dict) or not ("manifests" in manifest or "config" in manifest):
            raise RegistryError(f"{reference}: the manifest is of an old or unknown form",
                                "the image is too old for current engines; find a newer tag")
        return digest, manifest

    def _architecture_of(self, reference: Reference, manifest: dict[str, Any]) -> str:
        answer = self._ask(reference, f"blobs/{manifest['config']['digest']}")
        if answer.status != 200:
            raise refusal(reference, "its configuration", answer)
        if "sha256:" + hashlib.sha256(answer.body).hexdigest() != manifest["config"]["digest"]:
            raise RegistryError(f"{reference}: the registry's image configuration is damaged",
                                "tell the registry's owner; do not pull it")
        config = json.loads(answer.body)
        return str(config.get("architecture") or "unknown")

    def _ask(self, reference: Reference, what: str, method: str = "GET") -> Answer:
        scope = f"repository:{reference.repository}:pull"
        url = f"{address_of(self.host)}/v2/{reference.repository}/{what}"
        answer = fetch(url, self._headers(scope), method=method)
        if answer.status == 401 and self._authenticate(answer.headers.get("www-authenticate", ""), scope):
            answer = fetch(url, self._headers(scope), method=method)
        return answer

    def _headers(self, scope: str) -> dict[str, str]:
        token = self._tokens.get(scope)
        return {"Accept": ACCEPT, "User-Agent": "firstlight"} | ({"Authorization": token} if token else {})

    def _authenticate(self, challenge: str, scope: str) -> bool:
        """Fetch what a 401 asks for; False when there is nothing new to try."""
        if scope in self._tokens and not self._tokens.pop(scope).startswith("Bearer"):
            return False
        kind, _, rest = challenge.partition(" ")
        if kind.lower() == "basic" and self.login:
            self._tokens[scope] = self.login.basic
            return True
        asked = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        if kind.lower() != "bearer" or not asked.get("realm", "").startswith(("https://", address_of(self.host))):
            return False
        query = urllib.parse.urlencode({"service": asked.get("service", ""), "scope": asked.get("scope") or scope})
        answer = fetch(f"{asked['realm']}?{query}", {"Authorization": self.login.basic} if self.login else {})
        token = _token(answer)
        if token:
            self._tokens[scope] = f"Bearer {token}"
        return bool(token)


def _token(answer: Answer) -> str:
    try:
        body = json.loads(answer.body)
    except ValueError:
        return ""
    return str(body.get("token") or body.get("access_token") or "") if isinstance(body, dict) else ""


def _platform(child: dict[str, Any]) -> str:
    """Return docker's word for the CPU of a Linux image in an index; empty for anything else."""
    platform = child.get("platform") or {}
    return str(platform.get("architecture") or "") if platform.get("os") == "linux" else ""


def _layers(manifest: dict[str, Any]) -> tuple[Layer, ...]:
    return tuple(Layer(str(item["digest"]), int(item["size"])) for item in manifest.get("layers") or ())


def refusal(reference: Reference, asked: str, answer: Answer) -> RegistryError:
    """Return the error that a registry's answer stands for."""
    host = reference.host
    if answer.status == 404:
        part = "" if asked in (reference.tag, reference.digest) else f" (its part {asked[:19]} is missing there)"
        return RegistryError(f"{reference}: {host} has no such image{part}", "look at the name and the tag")
    if answer.status in (401, 403):
        return RegistryError(f"{reference}: {host} refuses access (HTTP {answer.status})", LOGIN_HINT)
    if answer.status == 429:
        wait = answer.headers.get("retry-after", "")
        when = f"; it asks to wait {wait} s" if wait.isdigit() else ""
        return RegistryError(f"{reference}: {host} limits how often we may ask{when}",
                             "wait, or log in: a login has a limit of its own", lasting=False)
    return RegistryError(f"{reference}: {host} answers HTTP {answer.status}", "try again later",
                         lasting=answer.status < 500)
