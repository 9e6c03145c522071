"""Logins to registries, from a file or a systemd credential; never from the command line, never in a text.

The file of a registry is `registry.HOST` in $CREDENTIALS_DIRECTORY (systemd's LoadCredential=), else HOST in the
profile's folder (a `:` in HOST is written `_`). It holds one line: `user:password`, or a bare key, whose user is
NGC's `$oauthtoken`.
"""

from __future__ import annotations

import base64
import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from agent.model.errors import FirstlightError

if TYPE_CHECKING:
    from collections.abc import Mapping

LIMIT_BYTES = 1 << 16
KEY_USER = "$oauthtoken"
LOGIN_HINT = "look at the name; if it needs a login, put one into a file: images.credentials in the profile says where"


@dataclass(frozen=True, slots=True)
class Login:
    """A user and its secret. Neither `repr` nor `str` shows the secret."""

    user: str
    secret: str = field(repr=False)

    @property
    def basic(self) -> str:
        """The value of an Authorization header."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.secret}".encode()).decode()

    def for_engine(self, host: str) -> str:
        """Return the X-Registry-Auth header of the Docker Engine."""
        body = {"username": self.user, "password": self.secret, "serveraddress": host}
        return base64.urlsafe_b64encode(json.dumps(body).encode()).decode()

    def masked(self, text: str) -> str:
        """Return a text without the secret, plain or encoded."""
        for shown in (self.secret, self.basic.removeprefix("Basic ")):
            text = text.replace(shown, "***")
        return text


def places_of(host: str, folder: str, environment: Mapping[str, str]) -> list[Path]:
    """Return where the login of a registry may stand, first choice first."""
    name = host.replace(":", "_")
    given = environment.get("CREDENTIALS_DIRECTORY")
    return ([Path(given) / f"registry.{name}"] if given else []) + [Path(folder) / name]


def find_login(host: str, folder: str, environment: Mapping[str, str] = os.environ) -> Login | None:
    """Return the login to a registry, None when no file holds one (anonymous).

    Raises FirstlightError for a file that others may read, that is no plain file, or that holds no login.
    """
    for place in places_of(host, folder, environment):
        try:
            handle = os.open(place, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise FirstlightError(f"{place}: the login cannot be read: {error.strerror}",
                                  "it must be a plain file of the user who pulls (root for apply)") from error
        with os.fdopen(handle, "rb") as stream:
            _refuse_open_file(place, os.fstat(handle), systemd=place.name.startswith("registry."))
            return _parse(place, stream.read(LIMIT_BYTES))
    return None


def _refuse_open_file(place: Path, seen: os.stat_result, *, systemd: bool) -> None:
    if not stat.S_ISREG(seen.st_mode):
        raise FirstlightError(f"{place}: is no plain file", "write the login into a plain file")
    readable = 0o007 if systemd else 0o077
    if seen.st_mode & readable:
        raise FirstlightError(f"{place}: others may read this login (mode {stat.S_IMODE(seen.st_mode):04o})",
                              f"make it yours alone: chmod 600 {place}")


def _parse(place: Path, raw: bytes) -> Login:
    try:
        line = raw.decode().strip()
    except UnicodeDecodeError as error:
        raise FirstlightError(f"{place}: is no text", "write one line: user:password, or an NGC key") from error
    if not line or "\n" in line:
        raise FirstlightError(f"{place}: must hold one line", "write one line: user:password, or an NGC key")
    user, colon, secret = line.partition(":")
    return Login(user, secret) if colon and user and secret else Login(KEY_USER, line)
