"""Something turns persistence mode on after every boot."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.check import Check, Outcome, failed, not_applicable, passed, unknown, warned
from agent.machine.gpu import observe_cards
from agent.machine.systemd import observe_unit_files, observe_units
from agent.model.finding import Evidence, Remedy
from checks.driver import Site, observe_site, repair, without_driver

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile

UNIT = "nvidia-persistenced.service"
OFF = "--no-persistence-mode"


@dataclass(frozen=True, slots=True)
class Seen:
    """The unit's properties and command; `on`: every card says that the mode is on (None: not told)."""

    site: Site
    unit: dict[str, str] = field(default_factory=dict)
    command: str = ""
    on: bool | None = None


def observe(machine: Machine, profile: ResolvedProfile) -> Seen:
    """Ask systemd for the unit and NVML for the mode."""
    site = observe_site(machine)
    if site.driver is None or not profile.profile.gpu.driver.persistence:
        return Seen(site)
    unit = observe_units(machine, (UNIT,))[UNIT]
    command = observe_unit_files(machine, unit).get(("Service", "ExecStart"), "") if _is_there(unit) else ""
    return Seen(site, unit, command, _mode(machine))


def _is_there(unit: dict[str, str]) -> bool:
    return unit.get("LoadState") == "loaded"


def _mode(machine: Machine) -> bool | None:
    view = observe_cards(machine).view
    told = [gpu.number("persistence") for gpu in view.gpus] if view and not view.failure else []
    numbers = [value for value in told if isinstance(value, int)]
    return all(numbers) if numbers and len(numbers) == len(told) else None


def judge(seen: Seen, profile: ResolvedProfile) -> list[Outcome]:
    """The daemon runs and sets the mode; a mode set by hand is gone after the reboot."""
    if seen.site.driver is not None and not profile.profile.gpu.driver.persistence:
        return [not_applicable("The profile does not ask for persistence mode.")]
    gone = without_driver(seen.site)
    if gone or seen.site.driver is None:
        return gone
    state = seen.unit.get("ActiveState", "")
    evidence = [Evidence(f"systemctl show {UNIT}", (f"{seen.unit.get('LoadState', '')}, {state}", seen.command))]
    if not seen.site.driver.loaded:
        return [unknown("No NVIDIA driver is loaded. See driver.module.")]
    if state == "active" and OFF not in seen.command:
        return [passed("nvidia-persistenced runs and keeps the cards initialised.", seen=state, evidence=evidence)]
    if seen.on and profile.profile.vendor_managed:
        return [passed("Persistence mode is on; the vendor's system sets it.", seen="on", evidence=evidence)]
    says = f"nvidia-persistenced runs with {OFF}" if state == "active" else \
        "nvidia-persistenced is not installed" if not _is_there(seen.unit) else f"nvidia-persistenced is {state}"
    remedy = repair(profile, "As root: systemctl enable --now nvidia-persistenced" if state != "active" else
                    f"Take {OFF} out of its command with a drop-in: systemctl edit nvidia-persistenced")
    if seen.on:
        return [warned(f"{says}: persistence mode is on now and gone after the next boot.", seen=says,
                       expected="active", evidence=evidence, remedy=remedy)]
    return [failed(f"{says}: every first CUDA call initialises the cards again.", seen=says, expected="active",
                   evidence=evidence, remedy=remedy)]


CHECK = Check(
    title="nvidia-persistenced",
    why="Without it the driver lets go of idle cards: each nvidia-smi takes seconds and settings such as power limits "
        "are lost in between.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="driver"),
)
