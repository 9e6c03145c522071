"""The kernel: release, command line, module options, what is loaded at boot."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from agent.drift.area import Area
from agent.drift.texts import file_values, folder_values, names_in
from agent.model.drift import UNREAD
from agent.model.errors import Missing, Unobservable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.machine.api import Machine

_PER_BOOT = ("BOOT_IMAGE=", "initrd=", "root=", "systemd.machine_id=")


def observe_kernel(machine: Machine) -> dict[str, str]:
    """Return release and command line; what names this disk or this image is left out of the latter."""
    words = machine.read("/proc/cmdline").split()
    return {
        "release": machine.read("/proc/sys/kernel/osrelease").strip(),
        "command line": " ".join(word for word in words if not word.startswith(_PER_BOOT)),
    }


def observe_options(machine: Machine) -> dict[str, str]:
    """Return what the files of modprobe and modules-load say."""
    found = dict(folder_values(machine, "/etc/modprobe.d", ending=".conf"))
    found |= dict(folder_values(machine, "/etc/modules-load.d", ending=".conf"))
    return found | dict(file_values(machine, ["/etc/modules"]))


def observe_driver_parameters(machine: Machine) -> dict[str, str]:
    """Return the version and the parameters in force of the NVIDIA modules that are loaded."""
    found: dict[str, str] = {}
    for module in names_in(machine, "/sys/module"):
        if not module.startswith("nvidia"):
            continue
        folder = f"/sys/module/{module}"
        with suppress(Missing):
            found[f"{module} version"] = machine.read(f"{folder}/version").strip()
        for name in names_in(machine, f"{folder}/parameters"):
            try:
                found[f"{module} {name}"] = machine.read(f"{folder}/parameters/{name}").strip()
            except Unobservable:
                found[f"{module} {name}"] = UNREAD
    return found


def _boot(key: str, before: str, after: str) -> Sequence[str]:
    return ("/proc/1",)


AREAS = (
    Area("kernel", "running kernel", observe_kernel, places=_boot),
    Area("module-option", "module options", observe_options),
    Area("driver", "NVIDIA modules in force", observe_driver_parameters, places=_boot),
)
