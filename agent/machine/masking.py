"""Takes secrets and identities out of a recording, so that it can be shown to others.

A secret becomes MASKED. An identity (serial number, address, machine id, host and login name) becomes a
stand-in of the same length, the same everywhere, in questions, answers and the profile alike: what was equal
stays equal, so every check judges the masked recording as it judged the real one.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from typing import TYPE_CHECKING, Any

from agent.machine.identities import find_identities
from agent.machine.recording_file import recording_from_json, recording_to_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.machine.recording import Recording

MASK = "MASKED"

_NAMED_SECRET = re.compile(
    r"""(?P<key>(?:password|passphrase|token|secret|api_?-?key|_key|credentials?|authorization)\\?["']?
        \s*(?:=|:(?!/))\s*\\?["']?)(?P<scheme>(?:bearer|basic)\s+)?(?P<value>[^\s"'\\,;{}\[\]]+)""",
    re.IGNORECASE | re.VERBOSE)
_SECRET_KEY = re.compile(r"(?:password|passphrase|token|secret|api_?key|credentials?)$", re.IGNORECASE)
_OPTION_SECRET = re.compile(r"(--(?:password|token|secret|api-key)\s+)([^\s\"'-][^\s\"']*)")
_DOCKER_AUTH = re.compile(r"""(\\?"auth\\?"\s*:\s*\\?")([^"\\]+)""")
_PRIVATE_KEY = re.compile(
    r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_URL_LOGIN = re.compile(r"(\w://)[^/\s:@\"']+:[^@/\s\"']+@")
_PASSWORD_HASH = re.compile(r"\$(?:1|2[aby]|5|6|y|gy|7)\$[^\s:\"']{8,}")
_KNOWN_TOKENS = re.compile(
    r"\b(?:nvapi-[\w-]{10,}|hf_\w{10,}|gh[pousr]_\w{10,}|github_pat_\w{10,}|glpat-[\w-]{10,}|sk-[\w-]{16,}"
    r"|xox[abp]-[\w-]{10,}|AKIA[0-9A-Z]{16}|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,})")
_HARMLESS_VALUE = re.compile(r"/.*|https?:.*|\d{1,5}|true|false|yes|no|none|null|MASKED", re.IGNORECASE)

_MAC = re.compile(r"(?<![\w:])(?:[0-9a-f]{2}:){5}[0-9a-f]{2}(?![\w:])", re.IGNORECASE)
_IPV4 = re.compile(  # only where the text says that it is an address: versions look the same
    r"(?:(?<=inet )|(?<=via )|(?<=src )|(?<=from )|(?<=nameserver )|(?<=server )|(?<=peer )|(?<=rhost=)"
    r"|(?<=//))"
    r"\d{1,3}(?:\.\d{1,3}){3}(?![\w.])")
_IPV6 = re.compile(r"(?<![\w:])[23][0-9a-f]{3}:(?:[0-9a-f]{0,4}:){2,6}[0-9a-f]{0,4}(?![\w:])", re.IGNORECASE)


def mask_secrets(recording: Recording) -> Recording:
    """Return the recording without secrets, with stand-ins for what identifies the machine or its people."""
    document = recording_to_json(recording)
    masked = _walk(document, _Masker(find_identities(document)))
    return recording_from_json(masked, "the masked recording")


class _Masker:
    """Replaces what is in one text; addresses get their stand-ins in the order they are met."""

    def __init__(self, identities: dict[str, str]) -> None:
        longest_first = sorted(identities, key=len, reverse=True)
        names = "|".join(re.escape(name) for name in longest_first) or "(?!)"
        self._pattern = re.compile(rf"(?<![A-Za-z0-9])(?:{names})(?![A-Za-z0-9])")
        self._identities = identities
        self._addresses: dict[str, str] = {}

    def masked(self, text: str) -> str:
        """Return the text without secrets and identities."""
        text = self._pattern.sub(lambda match: self._identities[match[0]], text)
        text = _MAC.sub(lambda match: self._mac(match[0]), text)
        text = _IPV4.sub(lambda match: self._ip(match[0], "192.0.2."), text)
        text = _IPV6.sub(lambda match: self._ip(match[0], "2001:db8::"), text)
        return without_secrets(text)

    def _mac(self, address: str) -> str:
        if set(address) <= set("0:") or address.lower() == "ff:ff:ff:ff:ff:ff":
            return address
        return self._stand_in(address.lower(), lambda n: f"02:00:00:00:{n // 256:02x}:{n % 256:02x}")

    def _ip(self, address: str, prefix: str) -> str:
        try:
            public = ipaddress.ip_address(address).is_global
        except ValueError:
            return address
        return self._stand_in(address.lower(), lambda n: f"{prefix}{n}") if public else address

    def _stand_in(self, address: str, write: Callable[[int], str]) -> str:
        return self._addresses.setdefault(address, write(len(self._addresses) + 1))


def without_secrets(text: str) -> str:
    """Return the text with passwords, tokens, keys and password hashes replaced by MASKED."""
    text = _PRIVATE_KEY.sub(rf"\1 {MASK} \2", text)
    text = _URL_LOGIN.sub(rf"\1{MASK}@", text)
    text = _DOCKER_AUTH.sub(rf"\1{MASK}", text)
    text = _PASSWORD_HASH.sub(MASK, text)
    text = _KNOWN_TOKENS.sub(MASK, text)
    text = _OPTION_SECRET.sub(rf"\1{MASK}", text)
    return _NAMED_SECRET.sub(_without_value, text)


def _without_value(match: re.Match[str]) -> str:
    if _HARMLESS_VALUE.fullmatch(match["value"]):
        return match[0]
    return f"{match['key']}{match['scheme'] or ''}{MASK}"


def _walk(value: Any, masker: _Masker) -> Any:
    """Return a JSON value with every text in it masked, keys included; binary content stays binary."""
    if isinstance(value, str):
        return masker.masked(value)
    if isinstance(value, list):
        return [_walk(item, masker) for item in value]
    if isinstance(value, dict) and "base64" in value:
        text = base64.b64decode(value["base64"]).decode("latin-1")
        return {**value, "base64": base64.b64encode(masker.masked(text).encode("latin-1")).decode()}
    if isinstance(value, dict):
        return {masker.masked(key): _walk_item(key, item, masker) for key, item in value.items()}
    return value


def _walk_item(key: str, value: Any, masker: _Masker) -> Any:
    return MASK if value and isinstance(value, str) and _SECRET_KEY.search(key) else _walk(value, masker)
