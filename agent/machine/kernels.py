"""The kernels on disk: what lies in /boot, and which of them the next boot takes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent.machine.grub import observe_pinned
from agent.model.errors import Missing

if TYPE_CHECKING:
    from agent.machine.api import Machine

REBOOT_MARKER = "/run/reboot-required"  # made by packages that ask for one
_IMAGE = re.compile(r"vmlinu[xz]-(.+?)(?:\.efi\.signed)?")
_KEPT_ASIDE = (".old", ".bak", ".dpkg-bak")


def observe_kernels(machine: Machine) -> tuple[str, ...]:
    """Return the releases with an image in /boot, in the order of its listing; empty without /boot."""
    try:
        names = machine.listing("/boot")
    except Missing:
        return ()
    releases = (match[1] for name in names if (match := _IMAGE.fullmatch(name)))
    return tuple(release for release in releases if not release.endswith(_KEPT_ASIDE))


def observe_next_kernel(machine: Machine, running: str) -> str:
    """Return the release the boot loader takes next: the newest image in /boot, unless GRUB was told another.

    `running` without images. Raises Unobservable when GRUB was told something that cannot be followed.
    """
    releases = observe_kernels(machine)
    pinned = observe_pinned(machine, releases) if len(releases) > 1 else ""
    return pinned or max(releases, key=_order, default=running)


def boots_another_kernel(machine: Machine) -> bool:
    """Return whether the next boot brings another kernel than the running one. Raises Unobservable."""
    running = machine.read("/proc/sys/kernel/osrelease").strip()
    return observe_next_kernel(machine, running) != running


def _order(release: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", release)[1:]]
