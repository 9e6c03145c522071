"""Finds checks by their path: `<package>/<area>/<name>.py` is the check `area.name`."""

from __future__ import annotations

import importlib
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from agent.check import Check
from agent.model.errors import FirstlightError, UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from types import ModuleType
    from typing import Any

_ROLE = re.compile(rb'^    remedy=Remedy\(role="(\w+)"', re.MULTILINE)


def find_check_modules(package: ModuleType) -> dict[str, str]:
    """Return the module name of every check by id, sorted by id; modules starting with `_` are no checks."""
    found = {}
    for file in (file for folder in package.__path__ for file in Path(folder).glob("[!_]*/[!_]*")):
        if file.suffix in (".py", ".pyc"):
            name = f"{file.parent.name}.{file.stem}"
            found[name.replace("_", "-")] = f"{package.__name__}.{name}"
    return dict(sorted(found.items()))


def load_checks(package: ModuleType, only: Iterable[str] = ()) -> dict[str, Check[Any]]:
    """Return the checks of a package by id, or those that `only` names by id or area.

    Only what is returned is imported. Raises UsageError for a name nothing has, FirstlightError for a file
    that is no check.
    """
    modules = find_check_modules(package)
    return {check_id: _load(modules[check_id]) for check_id in select_ids(modules, only)}


def load_kept(package: ModuleType, roles: Collection[str]) -> dict[str, Check[Any]]:
    """Return the checks of a package that one of these roles repairs, by id; the others are not imported.

    Which role a check names is read from its text: importing them all would cost more than looking at the machine.
    One that has no text (only compiled) is imported and asked.
    """
    found = {}
    for check_id, name in find_check_modules(package).items():
        role = _role_in(package, name)
        if role is None:
            role = _load(name).remedy.role or ""
        if role in roles:
            found[check_id] = _load(name)
    return found


def _role_in(package: ModuleType, module_name: str) -> str | None:
    """Return the role in the declaration at a check file's end, "" without one; None where the text is not there."""
    path = f"{module_name.removeprefix(package.__name__).replace('.', '/')}.py"
    for folder in package.__path__:
        with suppress(OSError):
            declared = Path(folder + path).read_bytes().rpartition(b"\nCHECK = Check(")[2]
            match = _ROLE.search(declared)
            return match[1].decode() if match else ""
    return None


def select_ids(ids: Mapping[str, object] | Iterable[str], only: Iterable[str]) -> tuple[str, ...]:
    """Return the ids that are named, or whose area is named, in their order; all when nothing is named."""
    known, wanted = tuple(ids), tuple(only)
    if not wanted:
        return known
    names = {*known, *(check_id.partition(".")[0] for check_id in known)}
    for name in wanted:
        if name not in names:
            raise UsageError(f"there is no check or area {name!r}", _suggestion(name, names))
    return tuple(check_id for check_id in known if check_id in wanted or check_id.partition(".")[0] in wanted)


def _suggestion(name: str, names: set[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name.replace("_", "-"), sorted(names), n=3)
    if near:
        return f"Did you mean {' or '.join(near)}?"
    areas = sorted(other for other in names if "." not in other)
    return f"The areas are {', '.join(areas)}; `firstlight check --list` names every check."


def _load(module_name: str) -> Check[Any]:
    try:
        module = importlib.import_module(module_name)
    except (ImportError, SyntaxError) as error:
        raise FirstlightError(f"{module_name}: cannot be imported: {error}") from error
    check = getattr(module, "CHECK", None)
    if not isinstance(check, Check):
        raise FirstlightError(f"{module.__file__}: has no CHECK",
                              "A check file ends in `CHECK = Check(...)`.")
    return check
