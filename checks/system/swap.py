"""Active swap against the wanted size, and whether it will be there after a reboot."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, failed, not_applicable, passed, warned
from agent.machine.mounts import FSTAB, FstabEntry, Swap, observe_fstab, observe_swaps
from agent.model.finding import Evidence, Remedy
from agent.model.units import format_size

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile

ENOUGH = 0.9  # an adopted area a little smaller than the rule's size is left as it is


class Seen(NamedTuple):
    """Active swap areas (compressed memory is none) and the swap lines of fstab."""

    active: tuple[Swap, ...]
    fstab: tuple[FstabEntry, ...]


def observe(machine: Machine, profile: ResolvedProfile) -> Seen | None:
    """Read /proc/swaps and fstab."""
    if not profile.profile.system.swap.enabled or not profile.sizes.swap_bytes:
        return None
    entries = tuple(entry for entry in observe_fstab(machine) if entry.fstype == "swap")
    active = tuple(swap for swap in observe_swaps(machine) if not swap.path.startswith("/dev/zram"))
    return Seen(active, entries)


def judge(seen: Seen | None, profile: ResolvedProfile) -> list[Outcome]:
    """Enough swap must be active, and every swap file must stand in fstab."""
    if seen is None:
        return [not_applicable("The profile wants no swap.")]
    wanted = profile.sizes.swap_bytes
    total = sum(swap.size_bytes for swap in seen.active)
    evidence = [Evidence("/proc/swaps", tuple(f"{s.path} {format_size(s.size_bytes)}" for s in seen.active)),
                Evidence(FSTAB, tuple(entry.text for entry in seen.fstab))]
    if total < wanted * ENOUGH:
        found = f"Only {format_size(total)} of swap is active" if total else "No swap is active"
        return [failed(f"{found}; the profile wants {format_size(wanted)}.", seen=format_size(total),
                       expected=format_size(wanted), evidence=evidence)]
    written = {entry.spec for entry in seen.fstab if "noauto" not in entry.options}
    lost = [swap.path for swap in seen.active if swap.kind == "file" and swap.path not in written]
    if lost:
        ours = profile.profile.system.swap.path
        return [judge_lost(path, path == ours, evidence) for path in lost]
    return [
        passed(
            f"{format_size(total)} of swap is active and will be after a reboot.",
            seen=format_size(total),
            expected=format_size(wanted),
            evidence=evidence,
        )
    ]


def judge_lost(path: str, ours: bool, evidence: list[Evidence]) -> Outcome:
    """Say that a reboot loses a swap file; only our own is put back by the role."""
    summary = f"Swap file {path} is active but not in {FSTAB}: a reboot loses it."
    line = f"{path} none swap sw 0 0"
    if ours:
        return failed(summary, subject=path, seen="no line in fstab", expected=line, evidence=evidence)
    return warned(summary, subject=path, seen="no line in fstab", expected=line, evidence=evidence,
                  remedy=Remedy(steps=(f"Add `{line}` to {FSTAB}, or see which unit switches it on.",)))


CHECK = Check(
    title="Swap",
    why="Without swap a short peak in memory ends in the out-of-memory killer instead of in a slow minute.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="swap"),
)
