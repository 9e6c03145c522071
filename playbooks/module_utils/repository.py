"""A third party's apt repository: one deb822 file with its key in it, where nobody else has added it."""

from __future__ import annotations

import glob
import os
import ssl
import urllib.error
import urllib.parse
import urllib.request

from ansible.module_utils.atomic import read_text, write_atomic
from ansible.module_utils.debs import AptError, update

_ARMOUR = "-----BEGIN PGP PUBLIC KEY BLOCK-----"


class UnreachableKeyError(Exception):
    """A repository's key cannot be had; the message names the address and what to do."""


def rival(uri, own_path):
    """Return the apt source file, other than ours, that already names this repository, or "".

    Two sources for one repository with different keys make apt refuse both ("Conflicting values set for
    option Signed-By").
    """
    wanted = urllib.parse.urlsplit(uri)
    needle = (wanted.netloc + wanted.path).partition("/$(")[0].rstrip("/")
    files = ["/etc/apt/sources.list", *sorted(glob.glob("/etc/apt/sources.list.d/*.list")),
             *sorted(glob.glob("/etc/apt/sources.list.d/*.sources"))]
    for path in files:
        lines = [line for line in (read_text(path) or "").splitlines() if not line.lstrip().startswith("#")]
        if path != own_path and any(needle in line for line in lines):
            return path
    return ""


def names_uri(text, uri):
    """Return whether the text of a deb822 file has this address."""
    return f"URIs: {uri}\n" in (text or "")


def fetch_key(url, timeout_s=20):
    """Return an ASCII-armoured key. Raises UnreachableKeyError."""
    try:
        with urllib.request.urlopen(url, timeout=timeout_s, context=ssl.create_default_context()) as answer:  # noqa: S310
            text = answer.read(1 << 20).decode("utf-8")
    except (urllib.error.URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise UnreachableKeyError(f"{url} cannot be read ({reason}). The machine needs that address, or a "
                                  "mirror of it named in the profile (repository), or the packages "
                                  "installed by other means") from error
    if _ARMOUR not in text:
        raise UnreachableKeyError(f"{url} answered, but not with an ASCII-armoured PGP key")
    return text[text.index(_ARMOUR):].strip() + "\n"


def render_source(uri, suites, components, key, architecture=""):
    """Return a deb822 source whose Signed-By is the key itself."""
    lines = ["# Written by Firstlight.", "Types: deb", f"URIs: {uri}", f"Suites: {suites}"]
    if components:
        lines.append(f"Components: {components}")
    if architecture:
        lines.append(f"Architectures: {architecture}")
    lines.append("Signed-By:")
    lines += [f" {line}" if line.strip() else " ." for line in key.splitlines()]
    return "\n".join(lines) + "\n"


def add(path, text):
    """Write a source and refresh apt's lists; a source that makes apt fail is taken away again."""
    before = read_text(path)
    write_atomic(path, text)
    try:
        update()
    except AptError:
        if before is None:
            os.unlink(path)
        else:
            write_atomic(path, before)
        raise
