"""Patterns in the kernel log of this boot that a person would want to know about."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Level, Outcome, failed, not_applicable, passed, warned
from agent.machine.journal import KernelMessage, observe_kernel_log
from agent.machine.systemd import find_container
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile


class Pattern(NamedTuple):
    """A kind of trouble. `grave` ones fail, the others warn."""

    name: str
    regex: re.Pattern[str]
    says: str
    steps: tuple[str, ...]
    grave: bool = False


def _pattern(name: str, regex: str, says: str, *steps: str, grave: bool = False) -> Pattern:
    return Pattern(name, re.compile(regex), says, steps, grave)


PATTERNS = (
    _pattern(
        "out-of-memory",
        r"Out of memory: Kill|Memory cgroup out of memory|oom-kill:|invoked oom-killer",
        "the kernel killed a process for lack of memory",
        "See which process was killed and what else ran.",
        "Give the job less, or raise swap and slice limits.",
    ),
    _pattern(
        "hung-task",
        r"blocked for more than \d+ seconds|watchdog: BUG: soft lockup|rcu.*detected stalls",
        "tasks hung in the kernel",
        "Look at the stack trace below the message: a disk, a network share or a driver is stuck.",
    ),
    _pattern(
        "disk-error",
        r"I/O error, dev (?!loop|fd|sr)|critical (medium|target) error|UNC at LBA|"
        r"nvme\S* .*(controller is down|I/O \d+ .*timeout)|ata\d+.*failed command",
        "a disk reported errors",
        "Run `firstlight check --only storage --level standard`.",
        "Copy the data off the disk, check its cable and slot, replace it.",
        grave=True,
    ),
    _pattern(
        "filesystem-error",
        r"EXT4-fs error|XFS \(.*\): .*([Cc]orruption|Shutting down|shutdown)|"
        r"BTRFS (error|critical)|Remounting filesystem read-only",
        "a filesystem is damaged or was shut down",
        "Unmount it and run fsck (ext4) or xfs_repair -n (XFS) before writing to it again.",
        grave=True,
    ),
    _pattern(
        "machine-check",
        r"\[Hardware Error\]|Machine [Cc]heck|mce: .*(error|Error)|EDAC .*\b[UC]E\b",
        "the hardware reported errors",
        "Note the bank or DIMM named; reseat or replace memory.",
    ),
    _pattern(
        "pcie-error",
        r"PCIe Bus Error|AER: .*(error|Error)",
        "PCIe links reported errors",
        "Power off, reseat the card named and its riser and power cables.",
        "If only corrected errors stay, lower the slot's PCIe generation in the firmware.",
    ),
    _pattern(
        "kernel-crash",
        r"^(BUG:|Oops:|kernel BUG at|general protection fault|Unable to handle kernel)",
        "the kernel crashed in part",
        "Reboot; report the trace to the distribution.",
        grave=True,
    ),
)
# Harmless lines that look like the above. GB10 prints NV_ERR_NO_MEMORY when a client asks for more than
# there is.
BENIGN = re.compile(
    r"NV_ERR_NO_MEMORY|AER: (enabled|.*aer_inject)|\[Hardware Error\]: Machine check events logged|"
    r"EXT4-fs error count|HEST: Table parsing|ERST:|mce: CPU\d+: Thermal|"
    r"(Corrected|corrected) error message received from|error detection",
    re.ASCII,
)


class Seen(NamedTuple):
    """The messages that match a pattern, by its name, and where they were read."""

    source: str
    hits: dict[str, tuple[KernelMessage, ...]]
    container: str


def observe(machine: Machine, profile: ResolvedProfile) -> Seen:
    """Read the kernel log of this boot and keep the lines that match."""
    container = find_container(machine)
    if container:
        return Seen("", {}, container)
    source, messages = observe_kernel_log(machine)
    return Seen(source, {p.name: find_hits(p, messages) for p in PATTERNS}, "")


def find_hits(pattern: Pattern, messages: list[KernelMessage]) -> tuple[KernelMessage, ...]:
    """Return the messages that match and are not known to be harmless."""
    return tuple(m for m in messages if pattern.regex.search(m.text) and not BENIGN.search(m.text))


def judge(seen: Seen, profile: ResolvedProfile) -> list[Outcome]:
    """One finding per kind of trouble, with its count and last time."""
    if seen.container:
        return [not_applicable(f"The kernel log belongs to the host of this {seen.container} container.")]
    outcomes = []
    for pattern in PATTERNS:
        hits = seen.hits[pattern.name]
        if not hits:
            continue
        last = datetime.fromtimestamp(hits[-1].time_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        times = "once" if len(hits) == 1 else f"{len(hits)} times"
        say = failed if pattern.grave else warned
        outcomes.append(say(
            f"Since the last boot {pattern.says}: {times}, last at {last}.", subject=pattern.name,
            seen=f"{len(hits)} messages", expected="none",
            evidence=[Evidence(seen.source, tuple(hit.text for hit in hits[-5:]))],
            remedy=Remedy(steps=pattern.steps)))
    return outcomes or [
        passed("The kernel log of this boot shows no trouble.", evidence=[Evidence(seen.source)])
    ]


CHECK = Check(
    title="Kernel log",
    why="Disks, memory and PCIe links announce their failure in the kernel log long before a job dies of it.",
    observe=observe,
    judge=judge,
    level=Level.STANDARD,
    timeout_s=30,
)
