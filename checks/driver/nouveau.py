"""nouveau, the kernel's own driver, does not hold the card."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, failed, not_applicable, passed
from agent.machine.modprobe import Line, blocking, observe_lines
from agent.machine.pci import bound_driver
from agent.model.finding import Evidence, Remedy
from checks.driver import Site, observe_site, repair

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile


class Seen(NamedTuple):
    """The cards nouveau holds (addresses), and the lines that block it from the next boot on."""

    site: Site
    held: tuple[str, ...] = ()
    blocked: tuple[Line, ...] = ()


def observe(machine: Machine, profile: ResolvedProfile) -> Seen:
    """Read who holds each card."""
    site = observe_site(machine)
    if site.driver is None:
        return Seen(site)
    held = tuple(card.address for card in site.cards if bound_driver(machine, card.address) == "nouveau")
    return Seen(site, held, blocking(observe_lines(machine, "nouveau"), "nouveau"))


def judge(seen: Seen, profile: ResolvedProfile) -> list[Outcome]:
    """Fail when it is loaded; if it comes back at the next boot, driver.next-boot says."""
    if seen.site.driver is None:
        return [not_applicable(seen.site.why)]
    evidence = [Evidence(line.source, (line.text,)) for line in seen.blocked]
    if not seen.site.driver.nouveau and not seen.held:
        return [passed("nouveau is not loaded.", seen="not loaded", evidence=evidence)]
    holds = f" and holds {', '.join(seen.held)}" if seen.held else ""
    if seen.blocked:
        return [failed(f"nouveau is loaded{holds}; it is blocked since, so a reboot ends it.", seen="loaded",
                       expected="not loaded", evidence=evidence, remedy=repair(
                           profile, "Rebuild the initramfs: update-initramfs -u", "Reboot."))]
    return [failed(f"nouveau is loaded{holds}, and nothing blocks it.", seen="loaded", expected="not loaded",
                   evidence=evidence, remedy=repair(
                       profile, "Write /etc/modprobe.d/blacklist-nouveau.conf: blacklist nouveau, options nouveau "
                       "modeset=0", "update-initramfs -u", "Reboot."))]


CHECK = Check(
    title="nouveau",
    why="A card that nouveau holds is not free for NVIDIA's driver: no CUDA until it is blocked and the machine is "
        "started again.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="driver"),
)
