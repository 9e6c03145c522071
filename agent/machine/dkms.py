"""What DKMS has registered and built of the NVIDIA driver, read from its own folders (`dkms status` is slow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.model.errors import Missing, Unobservable

if TYPE_CHECKING:
    from agent.machine.api import Machine

FOLDER = "/var/lib/dkms"
_LOG_LIMIT_BYTES = 1 << 20


class Registered(NamedTuple):
    """One version of a module. `kernels`: releases it is built for; `log`: last lines of a build that failed."""

    name: str
    version: str
    kernels: tuple[str, ...]
    log: tuple[str, ...] = ()

    @property
    def log_path(self) -> str:
        """Return where a build writes what it says."""
        return f"{FOLDER}/{self.name}/{self.version}/build/make.log"


def observe_dkms(machine: Machine) -> tuple[Registered, ...]:
    """Return the NVIDIA modules DKMS knows: nvidia, nvidia-current, nvidia-open …; empty without DKMS."""
    found: list[Registered] = []
    for name in _names(machine, FOLDER):
        if not name.startswith("nvidia") or name.startswith("nvidia-fs"):
            continue
        versions = _names(machine, f"{FOLDER}/{name}")
        found += [_registered(machine, name, version) for version in versions if version[:1].isdigit()]
    return tuple(found)


def _registered(machine: Machine, name: str, version: str) -> Registered:
    folder = f"{FOLDER}/{name}/{version}"
    kernels = tuple(entry for entry in _names(machine, folder) if entry not in ("build", "source"))
    unbuilt = Registered(name, version, kernels)
    try:
        text = machine.read(unbuilt.log_path, limit_bytes=_LOG_LIMIT_BYTES)
    except Missing:
        return unbuilt
    return Registered(name, version, kernels, tuple(text.rstrip().splitlines()[-8:]))


def _names(machine: Machine, folder: str) -> tuple[str, ...]:
    """Return the names in a folder; a file and an absent folder have none."""
    try:
        return machine.listing(folder)
    except Missing:
        return ()
    except Unobservable as error:
        if "not a directory" in error.message:
            return ()
        raise


def has_headers(machine: Machine, kernel: str) -> bool:
    """Return whether modules can be built for a kernel release: its headers are there."""
    return machine.exists(f"/lib/modules/{kernel}/build/Makefile")
