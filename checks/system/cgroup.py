"""Whether control groups are version 2, the only one in which the slice's memory limits hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, not_applicable, passed, warned
from agent.machine.mounts import observe_mounts
from agent.machine.systemd import find_container
from agent.model.errors import Missing
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile

ROOT = "/sys/fs/cgroup"


class Seen(NamedTuple):
    """Filesystem types mounted at and under /sys/fs/cgroup, and the controllers of the unified tree."""

    types: tuple[str, ...]
    controllers: tuple[str, ...]
    container: str


def observe(machine: Machine, profile: ResolvedProfile) -> Seen:
    """Read the mounts and the controllers."""
    types = tuple(dict.fromkeys(m.fstype for m in observe_mounts(machine) if m.point.startswith(ROOT)))
    try:
        controllers = tuple(machine.read(f"{ROOT}/cgroup.controllers").split())
    except Missing:
        controllers = ()
    return Seen(types, controllers, find_container(machine))


def judge(seen: Seen, profile: ResolvedProfile) -> list[Outcome]:
    """Warn on version 1 and on the mixed layout."""
    if seen.container:
        return [not_applicable(f"The control groups belong to the host of this {seen.container} container.")]
    evidence = [Evidence("/proc/self/mountinfo", seen.types),
                Evidence(f"{ROOT}/cgroup.controllers", seen.controllers)]
    if not seen.types:
        return [warned("No control groups are mounted: nothing can be limited.", evidence=evidence)]
    if "cgroup" in seen.types:
        mixed = "mixed (version 1 and 2)" if "cgroup2" in seen.types else "version 1"
        return [
            warned(
                f"Control groups are {mixed}: systemd accepts the slice's memory limits, the kernel does not "
                "enforce them.",
                seen=mixed,
                expected="version 2",
                evidence=evidence,
            )
        ]
    missing = [name for name in ("cpu", "memory") if name not in seen.controllers]
    if missing:
        return [warned(f"The {' and '.join(missing)} controller is switched off: the slice cannot limit it.",
                       seen=" ".join(seen.controllers), expected="cpu memory", evidence=evidence)]
    return [passed("Control groups are version 2; memory and CPU limits hold.", seen="version 2",
                   evidence=evidence)]


CHECK = Check(
    title="Control groups",
    why="On version 1 a slice's MemoryHigh and MemoryMax are accepted and then ignored.",
    observe=observe,
    judge=judge,
    remedy=Remedy(steps=(
        "Take systemd.unified_cgroup_hierarchy=0 and cgroup_disable=… out of GRUB_CMDLINE_LINUX in "
        "/etc/default/grub.", "Run `update-grub` and reboot.")),
)
