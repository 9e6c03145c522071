"""Whether a time service runs and the clock is set by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, failed, not_applicable, passed, warned
from agent.machine.systemd import Properties, find_container, observe_units
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile

SERVICES = ("systemd-timesyncd.service", "chrony.service", "chronyd.service", "ntpsec.service", "ntp.service")
STAMP = "/run/systemd/timesync/synchronized"
PATIENCE_S = 900.0  # after boot, before a clock nobody has set yet is worth a warning


class Seen(NamedTuple):
    """The time services that exist; `synchronised` None = this service does not say."""

    services: dict[str, Properties]
    synchronised: bool | None
    uptime_s: float
    container: str


def observe(machine: Machine, profile: ResolvedProfile) -> Seen:
    """Ask systemd for the known time services, and timesyncd for its stamp."""
    units = observe_units(machine, SERVICES)
    services = {
        name: units[name] for name in SERVICES if units[name].get("LoadState") in {"loaded", "masked"}
    }
    by_stamp = services.get(SERVICES[0], {}).get("ActiveState") == "active"
    uptime_s = float(machine.read("/proc/uptime").split()[0])
    return Seen(services, machine.exists(STAMP) if by_stamp else None, uptime_s, find_container(machine))


def judge(seen: Seen, profile: ResolvedProfile) -> list[Outcome]:
    """One service must run (in a container, where the host keeps the clock: be enabled)."""
    lines = tuple(f"{name}: {unit.get('ActiveState')}, {unit.get('UnitFileState')}"
                  for name, unit in seen.services.items())
    evidence = [Evidence("systemctl show", lines)]
    if seen.container:
        return judge_container(seen, evidence)
    active = [name for name, unit in seen.services.items() if unit.get("ActiveState") == "active"]
    if not active:
        what = f"{', '.join(seen.services)} does not run" if seen.services else "no time service is installed"
        return [failed(f"Nothing sets the clock: {what}.", seen="; ".join(lines), expected="one active",
                       evidence=evidence)]
    if not any(seen.services[name].get("UnitFileState") in {"enabled", "alias", "static"} for name in active):
        return [failed(f"{active[0]} runs but is not enabled: after a reboot nothing sets the clock.",
                       subject=active[0], seen="; ".join(lines), expected="enabled", evidence=evidence)]
    if seen.synchronised is False and seen.uptime_s > PATIENCE_S:
        return [
            warned(
                f"{active[0]} runs but has not reached a time server since boot.",
                subject=active[0],
                seen=f"{STAMP} absent",
                evidence=evidence,
                remedy=Remedy(
                    steps=(
                        "Run `timedatectl timesync-status`.",
                        "Allow UDP 123 to the servers named there, or name reachable ones in "
                        "/etc/systemd/timesyncd.conf.",
                    )
                ),
            )
        ]
    state = {True: " and the clock is synchronised", False: "; the first answer is still awaited", None: ""}
    return [passed(f"{active[0]} runs{state[seen.synchronised]}.", evidence=evidence)]


def judge_container(seen: Seen, evidence: list[Evidence]) -> list[Outcome]:
    """In a container the service never runs; only whether it is switched on can be judged."""
    if not seen.services:
        return [not_applicable(f"The host of this {seen.container} container keeps the clock.")]
    if any(unit.get("UnitFileState") == "enabled" for unit in seen.services.values()):
        return [
            passed(
                f"{next(iter(seen.services))} is enabled (in a {seen.container} container its host keeps the "
                "clock).",
                evidence=evidence,
            )
        ]
    return [failed(f"{', '.join(seen.services)} is switched off.", seen="disabled", expected="enabled",
                   evidence=evidence)]


CHECK = Check(
    title="Time synchronisation",
    why="A wrong clock breaks TLS, tokens and repository signatures, and makes logs of two machines "
        "incomparable.",
    observe=observe,
    judge=judge,
    remedy=Remedy(steps=(
        "If no time service is installed: `apt-get install systemd-timesyncd`.",
        "Switch it on: `systemctl unmask systemd-timesyncd && systemctl enable --now systemd-timesyncd`.",
        "See that it answers: `timedatectl`.")),
)
