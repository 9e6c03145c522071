"""What systemd itself says of units before they are installed."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from agent.machine.process import run_command

if TYPE_CHECKING:
    from collections.abc import Mapping

DEADLINE_S = 120.0


def verify(units: Mapping[str, str]) -> tuple[str, ...]:
    """Return what `systemd-analyze verify` complains about in our units, empty when nothing.

    Raises Unobservable when it cannot be asked.
    """
    with tempfile.TemporaryDirectory(prefix="firstlight-units-") as folder:
        paths = _written(units, Path(folder))
        answer = run_command(("systemd-analyze", "verify", "--man=no", *map(str, paths)), DEADLINE_S)
    said = [line.replace(f"{folder}/", "") for line in (answer.err + answer.out).splitlines()]
    ours = tuple(line for line in said if any(line.startswith(name) or f" {name}" in line for name in units))
    if answer.code != 0 and not ours:
        return tuple(said) or (f"systemd-analyze verify ended with {answer.code}",)
    return ours


def _written(units: Mapping[str, str], folder: Path) -> list[Path]:
    paths = []
    for name, text in units.items():
        (folder / name).write_text(text, encoding="utf-8")
        paths.append(folder / name)
    return paths
