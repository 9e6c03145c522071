"""The device files programs open are there, and users may open them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, failed, passed, unknown, warned
from agent.model.errors import Missing
from agent.model.finding import Evidence, Remedy
from checks.driver import Site, observe_site, without_driver

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile

EVERYBODY = 0o006
PARAMETERS = "/proc/driver/nvidia/params"
HELPER = "/usr/bin/nvidia-modprobe"  # setuid root: makes what is missing when a program first asks


class Seen(NamedTuple):
    """Permission bits by node; `wanted_mode` is the driver's own setting; `helper`: missing ones come by themselves."""

    site: Site
    modes: dict[str, int]
    wanted_mode: int = 0o666
    helper: bool = False


def observe(machine: Machine, profile: ResolvedProfile) -> Seen:
    """Look at /dev and at the driver's parameters."""
    site = observe_site(machine)
    if site.driver is None or not site.driver.loaded:
        return Seen(site, {})
    modes = {path: machine.status(path).mode for path in site.driver.nodes if re.fullmatch(r"/dev/nvidia[-\w]*", path)}
    return Seen(site, modes, _wanted_mode(machine), _has_helper(machine))


def _wanted_mode(machine: Machine) -> int:
    """Return DeviceFileMode; 0666 is the driver's default."""
    try:
        found = re.search(r"^DeviceFileMode: (\d+)", machine.read(PARAMETERS), re.MULTILINE)
    except Missing:
        return 0o666
    return int(found[1]) if found else 0o666


def _has_helper(machine: Machine) -> bool:
    try:
        seen = machine.status(HELPER)
    except Missing:
        return False
    return seen.uid == 0 and bool(seen.mode & 0o4000)


def judge(seen: Seen, profile: ResolvedProfile) -> list[Outcome]:
    """nvidiactl, one per card, and nvidia-uvm, which CUDA needs."""
    gone = without_driver(seen.site)
    if gone or seen.site.driver is None:
        return gone
    if not seen.site.driver.loaded:
        return [unknown("No NVIDIA driver is loaded. See driver.module.")]
    cards = [path for path in seen.modes if re.fullmatch(r"/dev/nvidia\d+", path)]
    evidence = [Evidence("/dev", tuple(f"{mode:04o} {path}" for path, mode in seen.modes.items()))]
    lacking = [path for path in ("/dev/nvidiactl", "/dev/nvidia-uvm") if path not in seen.modes]
    count = len(seen.site.cards)
    if len(cards) < count:
        lacking.insert(0, f"{count - len(cards)} of {count} /dev/nvidiaN")
    if lacking:
        return [_judge_missing(lacking, seen, evidence)]
    closed = [path for path in (*cards, "/dev/nvidiactl", "/dev/nvidia-uvm") if ~seen.modes[path] & EVERYBODY]
    if closed and seen.wanted_mode & EVERYBODY == EVERYBODY:
        return [failed(f"Not open to all users: {', '.join(closed)}.", seen=f"{seen.modes[closed[0]]:04o}",
                       expected=f"{seen.wanted_mode:04o}", evidence=evidence,
                       remedy=Remedy(steps=(f"As root: chmod 0666 {' '.join(closed)}",
                                            "Look for a udev rule that sets the mode: grep -r nvidia "
                                            "/etc/udev/rules.d")))]
    note = "; the driver is set to give them to a group only" if closed else ""
    return [passed(f"The device files of {count} GPU{'s' if count > 1 else ''} are there{note}.",
                   seen=f"{len(seen.modes)} nodes", evidence=evidence)]


def _judge_missing(lacking: list[str], seen: Seen, evidence: list[Evidence]) -> Outcome:
    says, told = f"Missing: {', '.join(lacking)}", f"{len(seen.modes)} nodes"
    if seen.helper:
        return passed(f"{says}; nvidia-modprobe makes them when a program first asks.", seen=told, evidence=evidence)
    if lacking == ["/dev/nvidia-uvm"]:
        return warned(f"{says}: CUDA does not start for users until root has used it once.", seen=told,
                      evidence=evidence)
    return failed(f"{says}, and nvidia-modprobe is not there to make them.", seen=told, evidence=evidence)


CHECK = Check(
    title="Device files",
    why="Programs reach the driver through /dev/nvidia*; when one is missing or closed, CUDA says that there is no "
        "device though nvidia-smi works for root.",
    observe=observe,
    judge=judge,
    remedy=Remedy(steps=("Install nvidia-modprobe, or as root: modprobe nvidia-uvm && nvidia-smi",
                         "nvidia-persistenced makes the cards' files at boot.")),
)
