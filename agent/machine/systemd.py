"""What systemd says: unit properties, manager defaults, and which container (if any) this is."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from agent.model.errors import Missing, Unobservable
from agent.model.units import parse_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agent.machine.api import Machine

Properties = dict[str, str]

# Each is asked for in one command that all checks share: first what roles keep, which every look for drift needs.
KEPT = ("ai.slice", "docker.service", "prometheus.service", "prometheus-alertmanager.service",
        "prometheus-node-exporter.service")
OTHERS = (
    "user.slice", "systemd-timesyncd.service", "chrony.service", "chronyd.service", "ntp.service", "ntpsec.service",
    "nvidia-persistenced.service", "nvidia-fabricmanager.service",
)
OURS = "firstlight-backup-"  # those that systemd has loaded come with KEPT
PROPERTIES = (
    "Id", "LoadState", "ActiveState", "SubState", "UnitFileState", "NeedDaemonReload", "FragmentPath",
    "DropInPaths", "MainPID", "Result", "ExecMainStatus", "ExecMainExitTimestamp", "CPUWeight", "MemoryHigh",
    "MemoryMax", "MemoryMin", "LimitNOFILE", "LimitNOFILESoft",
)
MANAGER_ARGV = ("systemctl", "show", "-p", "DefaultLimitNOFILE,DefaultLimitNOFILESoft")
UNLIMITED = "infinity"
ROOTS = tuple(f"{root}/systemd" for root in ("/etc", "/run", "/usr/local/lib", "/usr/lib"))


def units_argv(names: Sequence[str] = (*KEPT, f"{OURS}*")) -> tuple[str, ...]:
    """Return the command that asks for PROPERTIES of `names`; a pattern matches inactive units too."""
    return ("systemctl", "show", "--all", "-p", ",".join(PROPERTIES), "--", *names)


def observe_units(machine: Machine, names: Sequence[str]) -> dict[str, Properties]:
    """Return the PROPERTIES of each unit by the name asked for (LoadState is "not-found" for one that is
    absent).

    What is in none of the shared answers is asked for by itself. Raises Unobservable where systemd does not run.
    """
    _require_systemd(machine)
    found: dict[str, Properties] = {}
    if any(name in KEPT or name.startswith(OURS) for name in names):
        blocks = _blocks(machine, units_argv(), KEPT)
        found |= {block.get("Id", ""): block for block in blocks[len(KEPT):]} | dict(zip(KEPT, blocks, strict=False))
    if any(name in OTHERS for name in names):
        found |= dict(zip(OTHERS, _blocks(machine, units_argv(OTHERS), OTHERS), strict=False))
    if missing := [name for name in names if name not in found]:
        found |= dict(zip(missing, _blocks(machine, units_argv(missing), missing), strict=False))
    return {name: found[name] for name in names}


def _blocks(machine: Machine, argv: Sequence[str], names: Sequence[str]) -> list[Properties]:
    """Return what systemctl says of the named units, in their order, then of those that match a pattern."""
    told = [parse_properties(block) for block in re.split(r"\n\s*\n", machine.run(argv).out.strip("\n"))]
    if len(told) < len(names):
        raise Unobservable(f"systemctl show answered for {len(told)} of {len(names)} units")
    return told


def observe_manager(machine: Machine) -> Properties:
    """Return the limits systemd gives to services that set none: DefaultLimitNOFILE,
    DefaultLimitNOFILESoft.
    """
    _require_systemd(machine)
    return parse_properties(machine.run(MANAGER_ARGV).out)


def observe_manager_files(machine: Machine, name: str) -> dict[str, str]:
    """Return what the files of a manager (`system`, `user`) say in [Manager], in systemd's order: by name, /etc first.

    Source: systemd-system.conf(5).
    """
    places: dict[str, str] = {}
    for root in reversed(ROOTS):
        with suppress(Missing):
            names = machine.listing(f"{root}/{name}.conf.d")
            places |= {each: f"{root}/{name}.conf.d/{each}" for each in names if each.endswith(".conf")}
    found: dict[str, str] = {}
    for path in (f"/etc/systemd/{name}.conf", *(places[each] for each in sorted(places))):
        with suppress(Missing):
            values = parse_unit(machine.read(path))
            found |= {key: value for (section, key), value in values.items() if section == "Manager"}
    return found


def runs(machine: Machine) -> bool:
    """Return whether systemd is process 1 here."""
    return machine.exists("/run/systemd/system")


def _require_systemd(machine: Machine) -> None:
    if not runs(machine):
        raise Unobservable("systemd does not run here (no /run/systemd/system)")


def find_container(machine: Machine) -> str:
    """Return the kind of container this is (docker, lxc, …), "" on a machine with a kernel of its own."""
    try:
        return machine.read("/run/systemd/container").strip()
    except Missing:
        pass
    for marker, kind in (("/.dockerenv", "docker"), ("/run/.containerenv", "podman")):
        if machine.exists(marker):
            return kind
    return ""


def parse_properties(text: str) -> Properties:
    """Return the KEY=VALUE lines of a text; other lines are skipped."""
    pairs = (line.partition("=") for line in text.splitlines())
    return {key: value for key, equals, value in pairs if equals}


def parse_unit(text: str) -> dict[tuple[str, str], str]:
    """Return the last value of each (section, key) of a unit file; comments and continuation are honoured."""
    section, values = "", {}
    for line in re.sub(r"\\\n", " ", text).splitlines():
        stripped = line.strip()
        if stripped.startswith("[") and stripped.endswith("]"):
            section = stripped[1:-1]
        elif stripped and stripped[0] not in "#;" and "=" in stripped:
            key, _, value = stripped.partition("=")
            values[section, key.strip()] = value.strip()
    return values


def observe_unit_files(machine: Machine, unit: Mapping[str, str]) -> dict[tuple[str, str], str]:
    """Return what a unit's file and drop-ins say together, the later one winning."""
    values: dict[tuple[str, str], str] = {}
    for path in unit_paths(unit):
        values |= parse_unit(machine.read(path))
    return values


def unit_paths(unit: Mapping[str, str]) -> list[str]:
    """Return the unit's file and its drop-ins, in the order systemd reads them."""
    paths: Iterable[str] = (unit.get("FragmentPath", ""), *unit.get("DropInPaths", "").split())
    return [path for path in paths if path]


def parse_limit(text: str) -> int | None:
    """Return a limit as systemd writes it, in bytes or counts; None = no limit (infinity, not set).

    Raises ValueError for anything else.
    """
    if text in {"", UNLIMITED, "[not set]", "18446744073709551615"}:
        return None
    return parse_size(text)
