"""Whether Secure Boot is on. Informative: both states are fine, but they decide which drivers may load."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, not_applicable, passed, unknown
from agent.machine.secure_boot import FOLDER, GUID, observe_variable
from agent.machine.systemd import find_container
from agent.model.finding import Evidence

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile


class Seen(NamedTuple):
    """`secure_boot`, `setup_mode`: the variables' last byte, None when the firmware has no such variable."""

    efi: bool
    secure_boot: int | None = None
    setup_mode: int | None = None
    container: str = ""


def observe(machine: Machine, profile: ResolvedProfile) -> Seen:
    """Read the two EFI variables (four attribute bytes, then one byte of value)."""
    container = find_container(machine)
    if container or not machine.exists("/sys/firmware/efi"):
        return Seen(efi=False, container=container)
    return Seen(True, observe_variable(machine, "SecureBoot"), observe_variable(machine, "SetupMode"))


def judge(seen: Seen, profile: ResolvedProfile) -> list[Outcome]:
    """State what is; unknown when the firmware does not say."""
    if seen.container:
        return [not_applicable(f"A {seen.container} container has no firmware of its own.")]
    if not seen.efi:
        return [not_applicable("This machine was not started by EFI firmware.")]
    if seen.secure_boot is None:
        return [unknown(f"The firmware shows no SecureBoot variable (is {FOLDER} mounted?).")]
    state = "on" if seen.secure_boot else "off"
    note = "; only signed kernel modules load" if seen.secure_boot else ""
    if seen.setup_mode:
        note += "; the firmware is in setup mode (no platform key)"
    return [passed(f"Secure Boot is {state}{note}.", seen=state,
                   evidence=[Evidence(f"{FOLDER}/SecureBoot-{GUID}", (str(seen.secure_boot),))])]


CHECK = Check(
    title="Secure Boot",
    why="With Secure Boot on, a driver module without an enrolled key is rejected and no GPU appears.",
    observe=observe,
    judge=judge,
)
