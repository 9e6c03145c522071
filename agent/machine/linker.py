"""Where the dynamic linker looks for libraries on this host, beside its own folders."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent.model.errors import Missing

if TYPE_CHECKING:
    from agent.machine.api import Machine

_FOLDER = "/etc/ld.so.conf.d"
_FILES = ("/etc/environment", "/etc/profile", "/etc/bash.bashrc", "/etc/zsh/zshenv", "/etc/security/pam_env.conf")
_PROFILES = "/etc/profile.d"
_VARIABLE = re.compile(r"^\s*(?:export\s+|setenv\s+)?LD_LIBRARY_PATH(?:\s+DEFAULT)?[=\s]\s*(\S.*)$", re.MULTILINE)


def _names(machine: Machine, folder: str) -> tuple[str, ...]:
    try:
        return machine.listing(folder)
    except Missing:
        return ()


def _text(machine: Machine, path: str) -> str:
    try:
        return machine.read(path)
    except Missing:
        return ""


def observe_linker_folders(machine: Machine) -> tuple[tuple[str, str], ...]:
    """Return (file, folder) of every line of ld.so.conf and its parts, in the order they are searched."""
    files = ("/etc/ld.so.conf", *(f"{_FOLDER}/{name}" for name in _names(machine, _FOLDER) if name.endswith(".conf")))
    return tuple((path, line.strip()) for path in files for line in _text(machine, path).splitlines()
                 if line.strip().startswith("/"))


def observe_login_files(machine: Machine) -> tuple[tuple[str, str], ...]:
    """Return (file, text) of what every login reads."""
    files = (*_FILES, *(f"{_PROFILES}/{name}" for name in _names(machine, _PROFILES) if name.endswith(".sh")))
    return tuple((path, text) for path in files if (text := _text(machine, path)))


def library_paths(files: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Return (file, value) of every LD_LIBRARY_PATH set for all logins."""
    return tuple((path, found.strip("\"' ")) for path, text in files for found in _VARIABLE.findall(text))
