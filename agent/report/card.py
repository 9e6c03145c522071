"""The machine's card: what its owner would say about it, and the profile that fits."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from agent.model.units import format_size
from agent.report.graphics import gpu_rows
from agent.report.shortages import find_shortages
from agent.report.text import Line
from agent.report.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.config.profiles import Choice
    from agent.model.gpu import Graphics
    from agent.model.hardware import Disk, Hardware

_LABEL = 12
_SYSTEMS = {"debian": "Debian", "ubuntu": "Ubuntu"}


def card(
    hardware: Hardware, graphics: Graphics, docker: str, choice: Choice | None, width: int = 80
) -> list[Line]:
    """Return the lines of the card; `docker` is one phrase, `choice` None when no profile fits."""
    lines = [Line(visible(hardware.hostname), "title")]
    for label, text in card_rows(hardware, graphics, docker, choice):
        pieces = textwrap.wrap(visible(text), max(width - _LABEL, 20), break_on_hyphens=False) or [""]
        lines.append(Line(f"{label:{_LABEL}}{pieces[0]}"))
        lines += [Line(" " * _LABEL + piece) for piece in pieces[1:]]
    return lines


def card_rows(
    hardware: Hardware, graphics: Graphics, docker: str, choice: Choice | None
) -> list[tuple[str, str]]:
    """Return (label, text) of every row of the card, in order; a label may be empty."""
    return [*_machine_rows(hardware, graphics), ("Docker", docker), *_profile_rows(choice)]


def _machine_rows(hardware: Hardware, graphics: Graphics) -> Iterator[tuple[str, str]]:
    where = {"": "", "unknown": ""}.get(hardware.virtualization, f" (runs in {hardware.virtualization})")
    yield "machine", (hardware.product or "unnamed product") + where
    yield (
        "CPU",
        f"{hardware.cpu_model or 'unnamed'}, {hardware.cpu_threads} threads, {hardware.architecture}",
    )
    unified = ", unified: the CPU and the GPU share it" if graphics.unified else ""
    yield "memory", format_size(hardware.memory_bytes) + unified
    yield from gpu_rows(hardware, graphics)
    for disk in hardware.disks:
        yield "disk", _disk(disk)
    for text in find_shortages(hardware, graphics):
        yield "advice", text
    name = _SYSTEMS.get(hardware.distribution, hardware.distribution)
    vendor = (
        ", DGX OS (driver, CUDA and toolkit are the vendor's)" if hardware.vendor_os == "dgx-os" else ""
    )
    yield "system", f"{name} {hardware.distribution_version} ({hardware.codename}){vendor}"
    yield "kernel", hardware.kernel


def _disk(disk: Disk) -> str:
    named = (
        f"serial {disk.serial}" if disk.serial else f"WWN {disk.wwn}" if disk.wwn else "no serial number"
    )
    traits = [
        word
        for word, holds in (
            ("rotating", disk.rotational),
            ("removable", disk.removable),
            ("read-only", disk.read_only),
        )
        if holds
    ]
    parts = [
        disk.name,
        f"{format_size(disk.size_bytes)} ({disk.size_bytes} bytes)",
        disk.model,
        named,
        *traits,
    ]
    return ", ".join(part for part in parts if part)


def _profile_rows(choice: Choice | None) -> Iterator[tuple[str, str]]:
    if choice is None:
        yield "profile", "none fits"
        return
    yield "profile", f"{choice.loaded.profile.name} ({choice.loaded.digest}): {choice.reason}"
    for fit in choice.fits:
        if fit.obstacles:
            yield "", f"not {fit.name}: {'; '.join(fit.obstacles)}"
