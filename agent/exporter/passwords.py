"""Basic auth against bcrypt hashes. bcrypt is slow on purpose, so a password that was right is remembered, hashed."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import threading

REMEMBERED = 100
# Compared with when the user is unknown, so that the time taken does not tell which users exist.
_NOBODYS = "$2b$10$7EqJtq98hPqEX7fNZaFWoOhi5B0QBU3WW9mHHLIW0ZCkIxjLfZQZK"


class Gate:
    """Lets in whoever knows a password of `users` (name to bcrypt hash); everybody when there are none."""

    def __init__(self, users: dict[str, str]) -> None:
        self._users = users
        self._key = secrets.token_bytes(32)
        self._known: dict[bytes, bool] = {}
        self._lock = threading.Lock()

    def lets_in(self, authorization: str) -> bool:
        """Return whether an Authorization header opens the gate."""
        if not self._users:
            return True
        name, password = _credentials(authorization)
        hashed = self._users.get(name, _NOBODYS)
        mark = hmac.digest(self._key, f"{name}\0{hashed}\0{password}".encode(errors="replace"), hashlib.sha256)
        if mark in self._known:
            return True
        with self._lock:  # one at a time: guessing must not take every core
            right = _matches(password, hashed) and name in self._users
        if right:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[mark] = True
        return right


def _matches(password: str, hashed: str) -> bool:
    import bcrypt

    secret = password.encode(errors="replace")[:72]  # bcrypt reads no more
    return bcrypt.checkpw(secret, hashed.encode())


def _credentials(authorization: str) -> tuple[str, str]:
    """Return name and password of a Basic header; two empty texts for anything else."""
    scheme, _, told = authorization.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _, password = base64.b64decode(told, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, password
