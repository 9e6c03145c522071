"""The running kernel against the newest one installed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, not_applicable, passed, warned
from agent.machine.kernels import observe_kernels
from agent.machine.systemd import find_container
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile


class Seen(NamedTuple):
    """Kernel releases: the one running, and those with an image in /boot."""

    running: str
    installed: tuple[str, ...]
    has_modules: bool
    container: str


def observe(machine: Machine, profile: ResolvedProfile) -> Seen:
    """Read the running release and the images in /boot."""
    running = machine.read("/proc/sys/kernel/osrelease").strip()
    return Seen(running, observe_kernels(machine), machine.exists(f"/lib/modules/{running}"), find_container(machine))


def flavour(release: str) -> str:
    """Return what follows the numbers: `6.17.0-1008-nvidia` is `nvidia`, `6.1.0-56-cloud-amd64` is `cloud-
    amd64`.
    """
    parts = release.split("-")
    first = next((index for index, part in enumerate(parts) if not part[:1].isdigit()), len(parts))
    return "-".join(parts[first:])


def order(release: str) -> list[int]:
    """Return the numbers of a release, to sort by."""
    return [int(number) for number in re.findall(r"\d+", release.removesuffix(flavour(release)))]


def judge(seen: Seen, profile: ResolvedProfile) -> list[Outcome]:
    """Warn when a newer kernel of the same flavour waits for a reboot."""
    if seen.container:
        return [not_applicable(f"This {seen.container} container runs its host's kernel.")]
    if not seen.installed:
        return [not_applicable("No kernel image in /boot: this kernel was started from elsewhere.")]
    newest = max((r for r in seen.installed if flavour(r) == flavour(seen.running)), key=order, default="")
    evidence = [Evidence("/boot", tuple(f"vmlinuz-{release}" for release in seen.installed)),
                Evidence("/proc/sys/kernel/osrelease", (seen.running,))]
    if newest and order(newest) > order(seen.running):
        return [warned(f"Kernel {newest} is installed; {seen.running} is still running.", seen=seen.running,
                       expected=newest, evidence=evidence)]
    if not seen.has_modules:
        return [warned(f"The modules of the running kernel {seen.running} are gone from /lib/modules: "
                       "no driver can be loaded until a reboot.", seen=seen.running, evidence=evidence)]
    return [passed(f"The newest installed kernel is running: {seen.running}.", seen=seen.running,
                   evidence=evidence)]


CHECK = Check(
    title="Running kernel",
    why="Drivers are built for the newest kernel; until the reboot a driver update and the running "
        "kernel disagree.",
    observe=observe,
    judge=judge,
    remedy=Remedy(steps=("Wait for running jobs to end.", "Reboot.")),
)
