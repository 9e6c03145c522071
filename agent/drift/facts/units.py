"""What systemd starts: units enabled and masked, unit files and drop-ins by hand. Read from its folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.drift.area import Area
from agent.drift.texts import file_values, names_in
from agent.model.errors import Missing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agent.machine.api import Machine

FOLDERS = ("/etc/systemd/system", "/etc/systemd/user")
SETTINGS = ("/etc/systemd",)
_TYPES = (".service", ".socket", ".timer", ".path", ".mount", ".automount", ".slice", ".target", ".swap")


def observe_units(machine: Machine) -> dict[str, str]:
    """Return `masked` or where it is enabled for each unit that is one of them."""
    where: dict[str, list[str]] = {}
    masked: set[str] = set()
    for folder in FOLDERS:
        prefix = "user: " if folder.endswith("user") else ""
        for name in names_in(machine, folder):
            path = f"{folder}/{name}"
            if name.endswith((".wants", ".requires", ".upholds")):
                for unit in names_in(machine, path):
                    where.setdefault(prefix + unit, []).append(name)
            elif name.endswith(_TYPES) and (link := _link(machine, path)) is not None:
                if link == "/dev/null":
                    masked.add(prefix + name)
                else:
                    where.setdefault(prefix + name, []).append(f"alias of {link.rpartition('/')[2]}")
    return {unit: f"enabled ({', '.join(sorted(at))})" for unit, at in where.items()} | dict.fromkeys(
        masked, "masked"
    )


def observe_unit_files(machine: Machine) -> dict[str, str]:
    """Return what unit files, drop-ins and settings below /etc/systemd say."""
    return {
        path: value
        for path, value in file_values(machine, _files(machine), "#;")
        if not value.startswith("link ")
    }


def _files(machine: Machine) -> Iterator[str]:
    for folder in FOLDERS:
        for name in names_in(machine, folder):
            if name.endswith(_TYPES):
                yield f"{folder}/{name}"
            elif name.endswith(".d"):
                yield from (f"{folder}/{name}/{each}" for each in names_in(machine, f"{folder}/{name}"))
    for folder in SETTINGS:
        for name in names_in(machine, folder):
            if name.endswith(".conf"):
                yield f"{folder}/{name}"
            elif name.endswith(".conf.d"):
                yield from (f"{folder}/{name}/{each}" for each in names_in(machine, f"{folder}/{name}"))


def _link(machine: Machine, path: str) -> str | None:
    try:
        status = machine.status(path)
    except Missing:
        return None
    return status.target if status.kind == "link" else None


def _places(key: str, before: str, after: str) -> Sequence[str]:
    folder = FOLDERS[1] if key.startswith("user: ") else FOLDERS[0]
    name = key.removeprefix("user: ")
    at = [
        part
        for value in (after, before)
        if value.startswith("enabled")
        for part in value.removeprefix("enabled (").rstrip(")").split(", ")
        if not part.startswith("alias")
    ]
    return (
        *((f"{folder}/{name}",) if after == "masked" else ()),
        *(f"{folder}/{part}/{name}" for part in at),
        *(f"{folder}/{part}" for part in at),
        folder,
    )


AREAS = (
    Area("unit", "units enabled and masked", observe_units, places=_places),
    Area("unit-file", "unit files and drop-ins by hand", observe_unit_files),
)
