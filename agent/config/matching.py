"""Which profile fits a machine, and why, in words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.model.units import format_size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.model.hardware import Hardware, PciGpu
    from agent.model.profile import Match


@dataclass(frozen=True, slots=True)
class Fit:
    """How one profile fits: what speaks for it and what against. It fits when nothing speaks against."""

    name: str
    priority: int
    reasons: tuple[str, ...]
    obstacles: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Return whether every condition holds."""
        return not self.obstacles


def judge_fit(name: str, match: Match, hardware: Hardware) -> Fit:
    """Return how a profile fits this machine, one phrase per condition it sets."""
    conditions = _conditions(match, hardware)
    return Fit(
        name,
        match.priority,
        tuple(text for holds, text in conditions if holds),
        tuple(text for holds, text in conditions if not holds),
    )


def find_best(fits: Mapping[str, Fit]) -> Fit | None:
    """Return the fitting profile of the highest priority (then the first by name), or None."""
    fitting = [fit for fit in fits.values() if fit.fits]
    return min(fitting, key=lambda fit: (-fit.priority, fit.name), default=None)


def _conditions(match: Match, hardware: Hardware) -> list[tuple[bool, str]]:
    found: list[tuple[bool, str]] = []
    count = len(hardware.gpus)
    if count < match.min_gpus or (match.max_gpus is not None and count > match.max_gpus):
        found.append((False, f"{_gpus(count)}, where {_range(match)} wanted"))
    elif match.min_gpus or match.max_gpus is not None:
        found.append((True, _gpus(count)))
    if match.gpu and hardware.gpus:
        found += [_gpu(gpu, match.gpu) for gpu in hardware.gpus]
    if match.architecture:
        wanted = " or ".join(match.architecture)
        holds = hardware.architecture in match.architecture
        found.append((holds, hardware.architecture + ("" if holds else f", where {wanted} is wanted")))
    if match.min_memory:
        holds = hardware.memory_bytes >= match.min_memory
        found.append(
            (
                holds,
                f"{format_size(hardware.memory_bytes)} of memory, "
                f"{'at least' if holds else 'less than'} {format_size(match.min_memory)}",
            )
        )
    if match.vendor_os:
        wanted = " or ".join(_system(item) for item in match.vendor_os)
        holds = hardware.vendor_os in match.vendor_os
        found.append(
            (holds, _system(hardware.vendor_os) + ("" if holds else f", where {wanted} is wanted"))
        )
    return found


def _gpu(gpu: PciGpu, patterns: list[str]) -> tuple[bool, str]:
    text = f"{gpu.name} [10de:{gpu.device_id}]"
    holds = any(re.search(pattern, text, re.IGNORECASE) for pattern in patterns)
    return holds, f"GPU {text} is {'one' if holds else 'not one'} of its cards"


def _gpus(count: int) -> str:
    return "no NVIDIA GPU" if count == 0 else f"{count} NVIDIA GPU{'s' if count > 1 else ''}"


def _range(match: Match) -> str:
    if match.max_gpus is None:
        return f"{match.min_gpus} or more are"
    if match.max_gpus == 0:
        return "none is"
    if match.min_gpus == match.max_gpus:
        return f"{match.min_gpus} {'is' if match.min_gpus == 1 else 'are'}"
    return f"{match.min_gpus} to {match.max_gpus} are"


def _system(vendor_os: str) -> str:
    return {"": "a plain distribution", "dgx-os": "DGX OS"}.get(vendor_os, vendor_os)
