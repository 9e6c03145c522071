"""Whether the next reboot comes up with a GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, failed, passed, unknown, warned
from agent.machine.driver import DriverState, has_module
from agent.machine.initrd import Initrd, find_initrd
from agent.machine.modprobe import Line, blocking, observe_lines
from agent.machine.secure_boot import UNASKED, Trust, observe_trust
from agent.model.finding import Evidence, Remedy
from checks.driver import (
    Site,
    does_not_build,
    observe_site,
    parts,
    proven_signer,
    repair,
    with_signatures,
    without_driver,
)

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile


class Seen(NamedTuple):
    """What decides the next boot. `nouveau_there`: that kernel has nouveau. `initrds`: of this and the next kernel."""

    site: Site
    trust: Trust = UNASKED
    nouveau_there: bool = False
    nouveau_blocked: tuple[Line, ...] = ()
    nvidia_blocked: tuple[Line, ...] = ()
    initrds: tuple[Initrd | None, Initrd | None] = (None, None)


def observe(machine: Machine, profile: ResolvedProfile) -> Seen:
    """Look at module, signature, blacklists and initial RAM disk of the kernel that starts next."""
    site = observe_site(machine)
    if site.driver is None:
        return Seen(site)
    trust = observe_trust(machine)
    running, following = site.driver.running_kernel, site.driver.next_kernel
    return Seen(
        site._replace(driver=with_signatures(machine, site.driver, trust)), trust,
        has_module(machine, following, "nouveau"),
        blocking(observe_lines(machine, "nouveau"), "nouveau"), blocking(observe_lines(machine, "nvidia"), "nvidia"),
        (find_initrd(machine, running), find_initrd(machine, following)))


def judge(seen: Seen, profile: ResolvedProfile) -> list[Outcome]:
    """The first thing that keeps the GPU away is the cause."""
    gone, driver = without_driver(seen.site), seen.site.driver
    if gone or driver is None:
        return gone
    kernel, evidence = driver.next_kernel, _shown(seen, driver)
    for says, steps in _obstacles(seen, driver):
        return [failed(f"The next boot (kernel {kernel}) comes up without a GPU: {says}.", seen=says,
                       expected="a driver that loads", evidence=evidence, remedy=repair(profile, *steps))]
    stale = _older_than(seen)
    if stale:
        return [warned(f"The initrd of kernel {kernel} is older than {stale.source}: nouveau may take the card at the "
                       "next boot.", seen="older", expected="newer", evidence=evidence,
                       remedy=Remedy(steps=(f"As root: update-initramfs -u -k {kernel}",)))]
    signer = driver.next.signer if driver.next else ""
    if seen.trust.why and signer not in proven_signer(driver):
        return [unknown(f"Whether the module for kernel {kernel} may load cannot be told: {seen.trust.why}.",
                        evidence=evidence)]
    version = driver.next.version if driver.next else ""
    return [passed(f"The next boot (kernel {kernel}) finds driver {version or driver.library or 'of its own'}.",
                   seen=version, evidence=evidence)]


def _obstacles(seen: Seen, driver: DriverState) -> list[tuple[str, tuple[str, ...]]]:
    """Return (cause, what to do), the gravest first."""
    kernel = driver.next_kernel
    found: list[tuple[str, tuple[str, ...]]] = []
    if driver.next is None:
        says, broken = f"there is no driver module for kernel {kernel}", does_not_build(driver, kernel)
        if broken:
            return [(f"{says}, {broken}", ("Do not reboot yet.", "Take a newer branch of the driver, or stay with the "
                                           "kernel that runs."))]
        return [(says, (
            "Do not reboot yet.", f"Install linux-headers-{kernel}, then as root: dkms autoinstall -k {kernel}",
            f"Or install the distribution's module package for {kernel}."))]
    if driver.next.version and driver.library and driver.next.version != driver.library:
        found.append((f"its module is {driver.next.version}, the libraries are {driver.library}",
                      ("Bring module and libraries to one version.",)))
    refused = "" if driver.next.signer in proven_signer(driver) else seen.trust.refuses(driver.next.signer)
    if refused:
        found.append((refused, ("Sign the module with an enrolled key, or enrol its key: mokutil --import",
                                "A person types the password at the console of the next boot.")))
    if seen.nvidia_blocked:
        line = seen.nvidia_blocked[0]
        found.append((f"{line.source} says “{line.text}”", (f"Remove that line from {line.source}.",)))
    if seen.nouveau_there and not seen.nouveau_blocked:
        found.append(("nouveau is not blocked and may take the card first", (
            "Write /etc/modprobe.d/blacklist-nouveau.conf: blacklist nouveau", f"update-initramfs -u -k {kernel}")))
    now, then = seen.initrds
    if then is not None and not then.size_bytes:
        found.append((f"{then.path} is empty", (f"Look for room in /boot, then: update-initramfs -u -k {kernel}",)))
    if then is None and now is not None:
        found.append((f"kernel {kernel} has no initrd in /boot", (f"As root: update-initramfs -c -k {kernel}",)))
    return found


def _older_than(seen: Seen) -> Line | None:
    """Return the newest line that blocks nouveau when the initial RAM disk was made before it."""
    newest = max(seen.nouveau_blocked, key=lambda line: line.mtime, default=None)
    initrd = seen.initrds[1]
    return newest if newest and initrd and seen.nouveau_there and initrd.mtime < newest.mtime else None


def _shown(seen: Seen, driver: DriverState) -> list[Evidence]:
    initrd = seen.initrds[1]
    lines = (f"initrd: {initrd.path if initrd else 'none'}",
             f"nouveau in that kernel: {'yes' if seen.nouveau_there else 'no'}",
             *(f"{line.source}: {line.text}" for line in (*seen.nouveau_blocked, *seen.nvidia_blocked)))
    return [*parts(driver), Evidence("next boot", lines)]


CHECK = Check(
    title="The next reboot",
    why="A kernel update without a driver module is found out at the next reboot, usually by somebody who only "
        "wanted to start a job.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="driver"),
)
