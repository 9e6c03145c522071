"""Images as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.images.verification import gigabytes
from agent.matrix.verdicts import Answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.images.fit import Host, Wanted
    from agent.images.verification import Verified

_MARK = {Answer.YES: "yes", Answer.NO: "no", Answer.UNKNOWN: "?"}


def render_list(images: Sequence[Wanted], host: Host) -> str:
    """Return the catalogue by purpose: a mark, the name, the reference, what it holds, and why not."""
    cards = ", ".join(dict.fromkeys(card.name for card in host.cards)) or "no GPU"
    driver = f"driver {host.driver}" if host.driver else "no driver loaded"
    driver = "driver not known" if host.driver is None else driver
    lines, purpose = [f"For this machine: {host.architecture}, {cards}, {driver}"], ""
    for image in images:
        entry = image.entry
        if entry is None:
            continue
        if entry.purpose != purpose:
            purpose = entry.purpose
            lines += ["", purpose]
        holds = ", ".join(f"{name} {value}" for name, value in entry.holds if value and name != "driver")
        inside = f"  ({holds})" if holds else ""
        lines.append(f"  {_MARK[image.fit.answer]:3} {entry.name:18} {entry.reference}{inside}")
        lines += [f"      {text}" for text in image.fit.against or image.fit.unsure]
        if image.fit.instead:
            lines.append(f"      instead: {image.fit.instead}")
    return "\n".join(lines) + "\n"


def render_verified(found: Sequence[Verified]) -> str:
    """Return one line per image with size and digest, and below it what speaks against it."""
    lines = []
    for one in found:
        size = f"  {gigabytes(one.size_bytes)}" if one.layers else ""
        lines.append(f"{_MARK[one.answer]:3} {one.reference}{size}")
        if one.digest and one.digest not in one.reference:
            lines.append(f"      {one.digest}  {', '.join(one.architectures)}")
        lines += [f"      {text}" for text in one.says]
        lines += [f"      known failure: {text}" for text in one.failures]
        if one.instead:
            lines.append(f"      instead: {one.instead}")
    return "\n".join(lines) + "\n"


def render_pulled(rows: Sequence[dict[str, Any]]) -> str:
    """Return one line per image, and what went wrong."""
    lines = [] if rows else ["The profile wants no images (images.pull)."]
    for row in rows:
        lines.append(f"{row['reference']}: {row['outcome']}" + (f" ({gigabytes(row['size_bytes'])})"
                     if row["size_bytes"] else ""))
        lines += [f"  {text}" for text in (row["error"], row["hint"]) if text]
    return "\n".join(lines) + "\n"
