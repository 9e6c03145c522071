"""Names of images: registry, repository, tag and digest, by the rules of Docker's reference grammar."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from agent.model.errors import UsageError

HUB = "docker.io"
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d{1,5})?|\[[0-9a-fA-F:]+\](?::\d{1,5})?")


@dataclass(frozen=True, slots=True)
class Reference:
    """`host` as people write it (docker.io, nvcr.io, 127.0.0.1:5000); tag or digest may be empty, not both."""

    host: str
    repository: str
    tag: str
    digest: str = ""

    @property
    def name(self) -> str:
        """The name without tag and digest, in its short form."""
        if self.host == HUB:
            return self.repository.removeprefix("library/")
        return f"{self.host}/{self.repository}"

    @property
    def tagged(self) -> str:
        """`name:tag`, or `name@digest` when there is no tag."""
        return f"{self.name}:{self.tag}" if self.tag else f"{self.name}@{self.digest}"

    @property
    def asked(self) -> str:
        """What the registry is asked for: the digest where there is one, else the tag."""
        return self.digest or self.tag

    def at(self, digest: str) -> Reference:
        """Return this name held to a digest."""
        return replace(self, digest=digest)

    def __str__(self) -> str:
        return f"{self.tagged}@{self.digest}" if self.tag and self.digest else self.tagged


def parse_reference(text: str) -> Reference:
    """Return the reference in a text; the tag is `latest` where neither tag nor digest stands. Raises UsageError."""
    rest, _, digest = text.strip().partition("@")
    head, _, tail = rest.partition("/")
    if tail and (re.search(r"[.:]", head) or head == "localhost"):
        host, rest = head, tail
    else:
        host = HUB
    host = HUB if host in ("index.docker.io", "registry-1.docker.io") else host
    name, colon, tag = rest.partition(":")
    if host == HUB and "/" not in name:
        name = f"library/{name}"
    tag = tag if colon else ("" if digest else "latest")
    good = (_HOST.fullmatch(host) and _REPOSITORY.fullmatch(name) and ((not tag and not colon) or _TAG.fullmatch(tag))
            and (not digest or _DIGEST.fullmatch(digest)))
    if not good:
        raise UsageError(f"{text!r} is no image reference", "write registry/name:tag or registry/name@sha256:…")
    return Reference(host, name, tag, digest)
