"""Whether the kernel insists on signed modules, and whose keys it knows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from agent.model.errors import Missing, Unobservable

if TYPE_CHECKING:
    from agent.machine.api import Machine

FOLDER = "/sys/firmware/efi/efivars"
GUID = "8be4df61-93ca-11d2-aa0d-00e098032b8c"  # EFI_GLOBAL_VARIABLE, UEFI specification 3.3
ENFORCE = "/sys/module/module/parameters/sig_enforce"
KEYS = "/proc/keys"
# `… asymmetri Debian Secure Boot CA: 6ccece7e…: X509.rsa 1b419ea1 []`
_KEY = re.compile(r" asymmetri (.+?): [0-9a-f]{8,}: X509")


class Trust(NamedTuple):
    """Whether unsigned modules are refused, and the keys that are trusted; None for what `why` says is not seen."""

    enforced: bool | None = False
    keys: tuple[str, ...] | None = ()
    why: str = ""

    def refuses(self, signer: str | None) -> str:
        """Return why a module of this signer is refused, empty when it is not or that cannot be told."""
        if not self.enforced or signer is None:
            return ""
        if not signer:
            return "Secure Boot is on and the module is not signed"
        if self.keys is not None and signer not in self.keys:
            return f"Secure Boot is on and the key of its signer ({signer}) is not enrolled"
        return ""


UNASKED = Trust()


def observe_trust(machine: Machine) -> Trust:
    """Return what the kernel asks of a module's signature, as far as it can be seen."""
    try:
        enforced = observe_enforced(machine)
    except Unobservable as error:
        return Trust(None, None, error.message)
    try:
        return Trust(enforced, observe_keys(machine) if enforced else ())
    except Unobservable as error:
        return Trust(enforced, None, error.message)


def observe_variable(machine: Machine, name: str) -> int | None:
    """Return the one-byte value of an EFI variable (four attribute bytes go before); None when absent or empty."""
    try:
        data = machine.read_bytes(f"{FOLDER}/{name}-{GUID}")
    except Missing:
        return None
    return data[4] if len(data) > 4 else None


def observe_enforced(machine: Machine) -> bool:
    """Return whether unsigned modules are refused: Secure Boot is on, or the kernel was told so.

    Raises Unobservable where EFI firmware shows no SecureBoot variable.
    """
    try:
        if machine.read(ENFORCE).strip() == "Y":
            return True
    except Missing:
        pass
    if not machine.exists("/sys/firmware/efi"):
        return False
    state = observe_variable(machine, "SecureBoot")
    if state is None:
        raise Unobservable(f"the firmware shows no SecureBoot variable (is {FOLDER} mounted?)")
    return state == 1


def observe_keys(machine: Machine) -> tuple[str, ...]:
    """Return the names of the keys the kernel trusts; raises Unobservable when only root may see them."""
    names = tuple(_KEY.findall(machine.read(KEYS)))
    if not names and not machine.privileged():
        raise Unobservable(f"{KEYS}: shows the kernel's keys to root only")
    return names
