"""The graphics of a machine as its owner would tell them: cards, memory, driver, CUDA toolkits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from agent.machine.driver import loaded_version, observe_flavour
from agent.machine.gpu import gpu_memory, observe_cards
from agent.model.errors import Missing, Unobservable
from agent.model.gpu import Graphics, Unread

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.machine.api import Machine
    from agent.model.gpu import Gpu, GpuMemory, Reading

Told = TypeVar("Told")
_FOLDER = "/usr/local"
_TOOLKIT = re.compile(r"cuda-(\d+\.\d+)")


def observe_graphics(machine: Machine) -> Graphics:
    """Return what can be told; the first part that cannot be looked at is named in `silence` and hides no other."""
    silences: list[str] = []
    cards = _told(lambda: observe_cards(machine), None, silences)
    gpus = cards.view.gpus if cards and cards.view else ()
    return Graphics(
        view=cards.view if cards else None,
        memory={gpu.index: _memory(gpu, machine) for gpu in gpus},
        driver=_told(lambda: loaded_version(machine), "", silences),
        flavour=_told(lambda: observe_flavour(machine), "", silences),
        toolkits=_told(lambda: _toolkits(machine), (), silences),
        chosen_toolkit=_told(lambda: _chosen(machine), "", silences),
        silence=silences[0] if silences else "",
    )


def _told(look: Callable[[], Told], nothing: Told, silences: list[str]) -> Told:
    """Return what a look tells; `nothing` when it cannot be had, and why at the end of `silences`."""
    try:
        return look()
    except Unobservable as error:
        silences.append(error.message)
        return nothing


def _memory(gpu: Gpu, machine: Machine) -> Reading[GpuMemory]:
    try:
        return gpu_memory(gpu, machine)
    except Unobservable as error:
        return Unread(error.message)


def _toolkits(machine: Machine) -> tuple[str, ...]:
    """Return the versions of the toolkits in /usr/local/cuda-*, oldest first."""
    try:
        names = machine.listing(_FOLDER)
    except Missing:
        return ()
    found = [match[1] for name in names if (match := _TOOLKIT.fullmatch(name))]
    return tuple(sorted(found, key=lambda version: [int(part) for part in version.split(".")]))


def _chosen(machine: Machine) -> str:
    """Return the version that /usr/local/cuda leads to, at most over /etc/alternatives; empty without one."""
    path = f"{_FOLDER}/cuda"
    for _ in range(3):
        try:
            target = machine.status(path).target
        except Missing:
            return ""
        if match := _TOOLKIT.fullmatch(target.rstrip("/").rpartition("/")[2]):
            return match[1]
        if not target.startswith("/"):
            return ""
        path = target
    return ""
