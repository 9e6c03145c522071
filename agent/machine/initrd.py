"""The initial RAM disk a kernel starts with."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.model.errors import Missing

if TYPE_CHECKING:
    from agent.machine.api import Machine

# Debian and Ubuntu; dracut
_NAMES = ("initrd.img-{}", "initramfs-{}.img", "initrd-{}")


class Initrd(NamedTuple):
    """The file for one kernel. `mtime` in seconds since the epoch; `size_bytes` 0 is one that was never finished."""

    path: str
    mtime: float
    size_bytes: int


def find_initrd(machine: Machine, kernel: str) -> Initrd | None:
    """Return the initial RAM disk of a kernel release, None without one."""
    for name in _NAMES:
        path = f"/boot/{name.format(kernel)}"
        try:
            seen = machine.status(path)
        except Missing:
            continue
        return Initrd(path, seen.mtime, seen.size_bytes)
    return None
