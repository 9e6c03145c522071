"""Digests of files by the machine's own tools: a recording then holds the digests, not the files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent.model.drift import UNREAD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.machine.api import Machine

_LINE = re.compile(r"\\?([0-9a-f]{32,64}) [ *](.*)")


def file_digests(
    machine: Machine, paths: Sequence[str], program: str = "sha256sum", length: int = 12
) -> dict[str, str]:
    """Return `length` hex digits of each file there is; one that cannot be read is UNREAD. One command for all."""
    if not paths:
        return {}
    done = machine.run((program, "--", *paths), timeout_s=20.0, ok=(0, 1))
    found = {
        match[2]: match[1][:length] for line in done.out.splitlines() if (match := _LINE.fullmatch(line))
    }
    refused = [path for path in paths if path not in found and f"{path}: Permission denied" in done.err]
    return found | dict.fromkeys(refused, UNREAD)
