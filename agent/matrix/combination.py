"""The combination a machine runs: card, driver, kernel, toolkit, cuDNN and system, as far as they can be seen."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.model.errors import Missing, Unobservable

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.hardware import Hardware

_TOOLKIT = "/usr/local/cuda/version.json"


@dataclass(frozen=True, slots=True)
class Told:
    """A version seen, or (`why`) the reason it could not be; both empty: it is not there."""

    version: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Combination:
    """What was seen. `cards` are (PCI device id, name).

    `asked`: somebody asks about it, nothing was looked at; what is empty is not judged then, and the driver is
    yet to be built for `kernel`.
    """

    cards: tuple[tuple[str, str], ...]
    architecture: str
    system: str
    kernel: str
    driver: Told
    open_module: bool | None
    toolkit: Told
    cudnn: Told
    asked: bool = False


def system_name(hardware: Hardware) -> str:
    """Return the system as the matrix calls it: dgx-os, debian-12, ubuntu-24.04."""
    return hardware.vendor_os or f"{hardware.distribution}-{hardware.distribution_version}".rstrip("-")


def observe_combination(machine: Machine, hardware: Hardware) -> Combination:
    """Return what this machine combines; reads a few small files."""
    return Combination(
        cards=tuple((gpu.device_id, gpu.name) for gpu in hardware.gpus),
        architecture=hardware.architecture,
        system=system_name(hardware),
        kernel=hardware.kernel,
        driver=_loaded(machine),
        open_module=_open_module(machine),
        toolkit=_toolkit(_read(machine, _TOOLKIT)),
        cudnn=_cudnn(machine, hardware.architecture),
    )


def _read(machine: Machine, path: str) -> Told:
    try:
        return Told(machine.read(path).strip())
    except Missing:
        return Told()
    except Unobservable as error:
        return Told(why=error.message)


def _loaded(machine: Machine) -> Told:
    from agent.machine.driver import loaded_version

    try:
        version = loaded_version(machine)
    except Unobservable as error:
        return Told(why=error.message)
    if version and not re.fullmatch(r"\d+(\.\d+)+", version):
        return Told(why=f"the loaded module calls itself {version!r}")
    return Told(version)


def _open_module(machine: Machine) -> bool | None:
    from agent.machine.driver import observe_flavour

    try:
        return {"open": True, "proprietary": False}.get(observe_flavour(machine))
    except Unobservable:
        return None


def _toolkit(told: Told) -> Told:
    if not told.version:
        return told
    try:
        version = str(json.loads(told.version)["cuda"]["version"])
    except (ValueError, KeyError, TypeError):
        version = ""
    return Told(version) if re.match(r"\d+\.\d+", version) else Told(why=f"{_TOOLKIT}: names no CUDA version")


def _cudnn(machine: Machine, architecture: str) -> Told:
    why = ""
    for folder in ("/usr/include", f"/usr/include/{architecture}-linux-gnu"):
        for name in ("cudnn_version.h", "cudnn_version_v9.h"):
            told = _read(machine, f"{folder}/{name}")
            numbers = re.findall(r"#define CUDNN_(?:MAJOR|MINOR|PATCHLEVEL) (\d+)", told.version)
            if len(numbers) == 3:
                return Told(".".join(numbers))
            why = why or told.why
    return Told(why=why)
