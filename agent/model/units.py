"""Sizes as people write them."""

from __future__ import annotations

import re

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40
_FACTOR = {"": 1, "K": KIB, "M": MIB, "G": GIB, "T": TIB}
_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[KMGT]?)(?:iB|B)?", re.IGNORECASE)


def parse_size(text: str | int) -> int:
    """Return bytes for `16G`, `16GiB`, `512 MiB` or a plain number; units are powers of 1024.

    Raises ValueError with the offending text.
    """
    if isinstance(text, int) and not isinstance(text, bool):
        return text
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is not a size; write it like 16G, 512MiB or 1048576")
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a size; write it like 16G, 512MiB or 1048576")
    return int(float(match["number"]) * _FACTOR[match["unit"].upper()])


def format_size(size_bytes: float) -> str:
    """Return `15.5 GiB`-style text."""
    for unit, factor in (("TiB", TIB), ("GiB", GIB), ("MiB", MIB), ("KiB", KIB)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.1f} {unit}".replace(".0 ", " ")
    return f"{int(size_bytes)} B"
