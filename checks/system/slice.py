"""The slice for AI jobs: its limits in its files and in systemd's mind."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, failed, not_applicable, passed
from agent.machine.systemd import (
    Properties,
    observe_unit_files,
    observe_units,
    parse_limit,
    unit_paths,
)
from agent.model.finding import Evidence, Remedy
from agent.model.units import format_size

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile


class Seen(NamedTuple):
    """`live`: systemd's properties; `written`: [Slice] values of the unit's files; `paths`: those files."""

    live: Properties
    written: dict[str, str]
    paths: tuple[str, ...]


def observe(machine: Machine, profile: ResolvedProfile) -> Seen | None:
    """Ask systemd for the slice and read its files."""
    part = profile.profile.system.slice
    if not part.enabled:
        return None
    live = observe_units(machine, (part.name,))[part.name]
    values = observe_unit_files(machine, live)
    written = {key: value for (section, key), value in values.items() if section == "Slice"}
    return Seen(live, written, tuple(unit_paths(live)))


def wanted_limits(profile: ResolvedProfile) -> dict[str, int | None]:
    """Return the slice's properties as the profile and the machine's memory give them; None = no limit."""
    return {
        "CPUWeight": profile.profile.system.slice.cpu_weight,
        "MemoryHigh": profile.sizes.slice_memory_high_bytes,
        "MemoryMax": profile.sizes.slice_memory_max_bytes,
    }


def judge(seen: Seen | None, profile: ResolvedProfile) -> list[Outcome]:
    """One failure when any limit is not what it must be, in the files or in force."""
    if seen is None:
        return [not_applicable("The profile sets up no slice for jobs.")]
    name = profile.profile.system.slice.name
    if not seen.paths:
        return [
            failed(
                f"There is no {name}: jobs started in it have no limits.",
                subject=name,
                seen="no unit file",
                evidence=[Evidence(f"systemctl show {name}", ("FragmentPath=",))],
            )
        ]
    wrong = []
    for key, wanted in wanted_limits(profile).items():
        for where, text in (("file", seen.written.get(key, "")), ("in force", seen.live.get(key, ""))):
            if differs(text, wanted):
                wrong.append(f"{key} {where}: {show(key, text)}, wanted {show(key, wanted)}")
    evidence = [Evidence(path) for path in seen.paths]
    evidence.append(Evidence(f"systemctl show {name}",
                             tuple(f"{key}={seen.live.get(key, '')}" for key in wanted_limits(profile))))
    if seen.live.get("NeedDaemonReload") == "yes":
        wrong.append("its file was changed after systemd read it")
    if wrong:
        return [failed(f"{name} is not as the profile wants it: {'; '.join(wrong)}.", subject=name,
                       seen="; ".join(wrong), evidence=evidence)]
    limits = ", ".join(f"{key} {show(key, value)}" for key, value in wanted_limits(profile).items())
    return [passed(f"{name} has {limits}.", subject=name, evidence=evidence)]


def differs(text: str, wanted: int | None) -> bool:
    """Return whether a value as systemd or a unit file writes it is not the wanted one."""
    try:
        return parse_limit(text) != wanted
    except ValueError:  # "50%" and other forms we never write
        return True


def show(key: str, value: int | str | None) -> str:
    """Return a value as people read it."""
    if value is None or value in {"", "infinity", "[not set]"}:
        return "no limit"
    if key.startswith("Memory") and str(value).isdigit():
        return format_size(int(value))
    return str(value)


CHECK = Check(
    title="Slice for AI jobs",
    why="Without its limits one job can take all memory, and nobody can log in to stop it.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="slice"),
)
