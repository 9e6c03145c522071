"""Text from a machine made safe to show: no control characters, no terminal escapes, no hidden direction marks."""

from __future__ import annotations

import re

_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]"
)
_COMMON = {"\n": " ", "\t": " "}


def visible(text: str) -> str:
    """Return `text` as one line in which every control character is spelled out by its number."""
    return _HIDDEN.sub(lambda match: _COMMON.get(match[0]) or _spelled(match[0]), text)


def _spelled(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def shortened(text: str, length: int = 200) -> str:
    """Return `text` made visible and cut to `length` characters, the cut marked."""
    shown = visible(text)
    return shown if len(shown) <= length else shown[: length - 1] + "…"
