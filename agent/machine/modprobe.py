"""What modprobe is told (blacklists), by files and on the kernel's command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.model.errors import Missing

if TYPE_CHECKING:
    from agent.machine.api import Machine

# In the order of modprobe.d(5): a file hides one of the same name in a later folder.
FOLDERS = ("/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d")
_CMDLINE = "/proc/cmdline"


class Line(NamedTuple):
    """One line that speaks of a module. `mtime` of its file (seconds since the epoch), 0 for the command line."""

    source: str
    text: str
    mtime: float = 0.0


def observe_lines(machine: Machine, module: str) -> tuple[Line, ...]:
    """Return the lines about `module` (and those it is a beginning of: nvidia, nvidia_drm)."""
    found: list[Line] = []
    seen: set[str] = set()
    for folder in FOLDERS:
        for name in _names(machine, folder):
            if name.endswith(".conf") and name not in seen:
                seen.add(name)
                found += _of_file(machine, f"{folder}/{name}", module)
    return (*found, *_of_command_line(machine, module))


def _names(machine: Machine, folder: str) -> tuple[str, ...]:
    try:
        return machine.listing(folder)
    except Missing:
        return ()


def _of_file(machine: Machine, path: str, module: str) -> list[Line]:
    try:
        text = machine.read(path)
    except Missing:
        return []  # a link to nowhere
    lines = [line.strip() for line in text.splitlines()]
    about = [line for line in lines if not line.startswith("#") and module in line]
    return [Line(path, line, machine.status(path).mtime) for line in about]


def _of_command_line(machine: Machine, module: str) -> list[Line]:
    words = machine.read(_CMDLINE).split()
    keys = ("modprobe.blacklist=", "module_blacklist=", "rd.driver.blacklist=")
    return [Line(_CMDLINE, word) for word in words
            if word.startswith(keys) and module in word.partition("=")[2].split(",")]


def is_blocked(lines: tuple[Line, ...], module: str) -> bool:
    """Return whether the lines keep `module` from being loaded for a device."""
    return any(_blocks(line, module) for line in lines)


def blocking(lines: tuple[Line, ...], module: str) -> tuple[Line, ...]:
    """Return the lines that keep `module` from being loaded for a device."""
    return tuple(line for line in lines if _blocks(line, module))


def _blocks(line: Line, module: str) -> bool:
    words = line.text.split()
    if line.source == _CMDLINE:
        return True
    return words[:2] == ["blacklist", module] or (
        words[:2] == ["install", module] and words[-1:] in (["/bin/false"], ["/bin/true"], ["false"], ["true"]))
