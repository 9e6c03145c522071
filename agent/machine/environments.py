"""Python environments and the frameworks in them, read without importing anything."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from agent.model.errors import Missing, Unobservable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.machine.api import Machine

_PLACES = ("/opt", "/srv", "/root")
_CONDA = re.compile(r"(ana|mini)conda\d?|mini(forge|mamba)\d?|mambaforge|micromamba|conda", re.IGNORECASE)
_MOST = 400  # folders looked into
_PACKAGE = re.compile(r"(torch|vllm|torchvision|flash_attn|jax_cuda\d+_plugin|jaxlib|tensorflow)-([^-]+)\.dist-info")
_FIELD = re.compile(r"^(__version__|cuda|hip)\b[^=\n]*=\s*(?:'([^']*)'|\"([^\"]*)\"|None)", re.MULTILINE)
_PIN = re.compile(r"^Requires-Dist: torch\s*\(?==([\w.+]+)", re.MULTILINE)


class Torch(NamedTuple):
    """What torch/version.py says. `cuda` and `hip` are empty for a build without them."""

    version: str
    cuda: str = ""
    hip: str = ""


@dataclass(frozen=True, slots=True)
class Environment:
    """One environment: its folder, Python ("3.12"), framework versions by name, and the torch vLLM was built for."""

    path: str
    python: str
    packages: dict[str, str] = field(default_factory=dict)
    torch: Torch | None = None
    vllm_torch: str = ""


def find_environments(machine: Machine) -> tuple[str, ...]:
    """Return the virtual and conda environments in the usual places: /opt, /srv and two levels below homes."""
    folders: list[str] = []
    homes = [f"/home/{name}" for name in _names(machine, "/home")]
    for place in (*_PLACES, *homes):
        for name in _names(machine, place):
            folder = f"{place}/{name}"
            folders.append(folder)
            if _CONDA.fullmatch(name):
                folders += [f"{folder}/envs/{each}" for each in _names(machine, f"{folder}/envs")]
            elif place in homes and not name.startswith("."):
                folders += [f"{folder}/{each}" for each in (".venv", "venv", "env")]
    return tuple(folder for folder in folders[:_MOST] if _is_environment(machine, folder))


def _names(machine: Machine, folder: str) -> tuple[str, ...]:
    """Return the names in a folder; none in one that is absent, a file, or closed to this user."""
    try:
        return machine.listing(folder)
    except Unobservable:
        return ()


def _is_environment(machine: Machine, folder: str) -> bool:
    try:
        return machine.exists(f"{folder}/pyvenv.cfg") or machine.exists(f"{folder}/conda-meta")
    except Unobservable:
        return False


def observe_environment(machine: Machine, path: str) -> Environment:
    """Return what is installed in an environment. Raises Missing when it is none, Unobservable when closed."""
    pythons = [name for name in machine.listing(f"{path}/lib") if re.fullmatch(r"python3\.\d+", name)]
    if not pythons:
        raise Missing(f"{path}: is no Python environment (no lib/python3.*)")
    site = f"{path}/lib/{pythons[-1]}/site-packages"
    names = machine.listing(site)
    packages = dict(_packages(names))
    torch = _torch(machine, site) if "torch" in names else None
    vllm = packages.get("vllm", "")
    return Environment(path, pythons[-1].removeprefix("python"), packages, torch,
                       _pinned_torch(machine, f"{site}/vllm-{vllm}.dist-info/METADATA") if vllm else "")


def _packages(names: Iterable[str]) -> Iterable[tuple[str, str]]:
    return ((found[1], found[2]) for name in names if (found := _PACKAGE.fullmatch(name)))


def _torch(machine: Machine, site: str) -> Torch | None:
    try:
        text = machine.read(f"{site}/torch/version.py")
    except Missing:
        return None
    told = {name: single or double for name, single, double in _FIELD.findall(text)}
    return Torch(told.get("__version__", ""), told.get("cuda", ""), told.get("hip", ""))


def _pinned_torch(machine: Machine, path: str) -> str:
    try:
        found = _PIN.search(machine.read(path))
    except Missing:
        return ""
    return found[1] if found else ""
