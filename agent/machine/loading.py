"""Why a driver that should be loaded is not: what is looked at then, and the cause by elimination."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.machine.dkms import Registered, has_headers, observe_dkms
from agent.machine.driver import inspect_module
from agent.machine.journal import observe_kernel_log
from agent.machine.modprobe import blocking, observe_lines
from agent.machine.secure_boot import UNASKED, Trust, observe_trust
from agent.model.errors import Unobservable

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.machine.driver import DriverModule, DriverState

REJECTED = ("key was rejected", "unavailable key", "module verification failed")


class Clues(NamedTuple):
    """What is looked at when no driver is loaded.

    `module` is that of the running kernel, inspected; `blocked` are the lines that keep modprobe from nvidia;
    `log` the kernel's last words about it.
    """

    module: DriverModule | None = None
    headers: bool = True
    dkms: tuple[Registered, ...] = ()
    trust: Trust = UNASKED
    blocked: tuple[str, ...] = ()
    log: tuple[str, ...] = ()


class Cause(NamedTuple):
    """A cause as a clause, what to do, and whether the role can do it."""

    says: str
    steps: tuple[str, ...]
    by_role: bool = False


def observe_clues(machine: Machine, driver: DriverState) -> Clues:
    """Look at everything that can keep the module from being loaded."""
    return Clues(
        module=inspect_module(machine, driver.running) if driver.running else None,
        headers=has_headers(machine, driver.running_kernel), dkms=observe_dkms(machine), trust=observe_trust(machine),
        blocked=tuple(f"{line.source}: {line.text}" for line in blocking(observe_lines(machine, "nvidia"), "nvidia")),
        log=_last_words(machine),
    )


def _last_words(machine: Machine) -> tuple[str, ...]:
    try:
        _, messages = observe_kernel_log(machine)
    except Unobservable:
        return ()
    told = [message.text for message in messages
            if "NVRM" in message.text or "nvidia" in message.text or "rejected" in message.text]
    return tuple(told[-5:])


def find_cause(driver: DriverState, clues: Clues, modules: str, broken: str) -> Cause:
    """Return the cause.

    `modules`: what the card takes (required: open only, unsupported: proprietary only). `broken`: why the driver
    does not build for this kernel, as far as known.
    """
    if driver.nouveau:
        return Cause("nouveau holds the card", ("Block nouveau, rebuild the initramfs, reboot.",), by_role=True)
    if clues.module is None:
        return _not_there(driver, clues, broken)
    return _not_loadable(clues.module, clues, modules)


def _not_there(driver: DriverState, clues: Clues, broken: str) -> Cause:
    kernel = driver.running_kernel
    if driver.next is not None and driver.next_kernel != kernel:
        return Cause(f"its module is there for kernel {driver.next_kernel}, and {kernel} is running",
                     ("Reboot into the newer kernel.",))
    if not driver.library_path and not clues.dkms:
        return Cause("none is installed", ("Install the driver of this system, then reboot.",), by_role=True)
    if broken:
        return Cause(f"it is not built for kernel {kernel}: {broken}",
                     ("Boot the kernel before, or take a newer branch of the driver.",))
    if not clues.headers:
        return Cause(f"it is not built for kernel {kernel}, whose headers are not installed",
                     (f"Install linux-headers-{kernel}.", "As root: dkms autoinstall", "modprobe nvidia"), by_role=True)
    log = next((entry.log_path for entry in clues.dkms if entry.log), "")
    if log:
        return Cause(f"it is not built for kernel {kernel}: the last build failed",
                     (f"Read why: {log}", "As root: dkms autoinstall", "modprobe nvidia"))
    if not clues.dkms:
        return Cause(f"only its libraries are installed, no module for kernel {kernel}",
                     ("Install the kernel module package of the same version.",), by_role=True)
    return Cause(f"it is not built for kernel {kernel}", ("As root: dkms autoinstall", "modprobe nvidia"), by_role=True)


def _not_loadable(module: DriverModule, clues: Clues, modules: str) -> Cause:
    wrong = {"required": "proprietary", "unsupported": "open"}.get(modules)
    if module.flavour and module.flavour == wrong:
        right = "open" if wrong == "proprietary" else "proprietary"
        return Cause(f"the {wrong} kernel modules are installed, and this card takes only the {right} ones",
                     (f"Install the {right} kernel modules of the same branch, then reboot.",), by_role=True)
    refused = clues.trust.refuses(module.signer)
    if not refused and any(word in line.lower() for line in clues.log for word in REJECTED):
        refused = "the kernel rejected the key of its signature"
    if refused:
        return Cause(refused, ("Enrol the key: mokutil --import /var/lib/shim-signed/mok/MOK.der (Debian: "
                               "/var/lib/dkms/mok.pub).", "Reboot, and type its password at the machine's own console.",
                               "Or use the distribution's signed modules."))
    if clues.blocked:
        return Cause(f"modprobe is told not to load it ({clues.blocked[0]})",
                     ("Remove that line and rebuild the initramfs.", "As root: modprobe nvidia"))
    said = next((line for line in reversed(clues.log) if "NVRM" in line), "")
    if said:
        return Cause(f"the kernel's last word about it is “{said}”",
                     ("As root: modprobe nvidia", "Read the lines before: journalctl -k | grep -E 'NVRM|nvidia'"))
    return Cause("its module is there and was not loaded", ("As root: modprobe nvidia",))
