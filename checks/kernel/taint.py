"""Whether the running kernel has been through something it may not have survived intact."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, not_applicable, passed, warned
from agent.machine.systemd import find_container
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile

PATH = "/proc/sys/kernel/tainted"
# Bits of Documentation/admin-guide/tainted-kernels.rst that mean damage. The rest (proprietary, out-of-tree,
# unsigned module, staging, firmware workaround, a mere warning) is daily life with a GPU driver.
DAMAGE = {
    1: "a module was forced to load",
    3: "a module was forced to unload",
    4: "a machine check (hardware error)",
    5: "a bad memory page",
    7: "the kernel crashed (oops)",
    14: "a soft lockup",
}


class Seen(NamedTuple):
    """The taint mask of the kernel."""

    mask: int
    container: str


def observe(machine: Machine, profile: ResolvedProfile) -> Seen:
    """Read the taint mask."""
    return Seen(int(machine.read(PATH)), find_container(machine))


def judge(seen: Seen, profile: ResolvedProfile) -> list[Outcome]:
    """Warn about each bit that means damage."""
    if seen.container:
        return [not_applicable(f"The kernel belongs to the host of this {seen.container} container.")]
    damage = [text for bit, text in DAMAGE.items() if seen.mask >> bit & 1]
    evidence = [Evidence(PATH, (str(seen.mask),))]
    if damage:
        return [
            warned(
                f"Since the last boot the kernel has seen {' and '.join(damage)}.",
                seen=str(seen.mask),
                evidence=evidence,
            )
        ]
    return [passed("The running kernel has seen no crash and no hardware error.", seen=str(seen.mask),
                   evidence=evidence)]


CHECK = Check(
    title="Kernel taint",
    why="After a crash or a machine check the kernel goes on, but nothing it computes is certain any more.",
    observe=observe,
    judge=judge,
    remedy=Remedy(steps=("Read `journalctl -k -b` for the first error.", "Reboot.",
                         "If a machine check comes back, have memory, CPU and power supply examined.")),
)
