"""CUDA toolkits and cuDNN on the host, read from their files; no compiler is started."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

from agent.machine.nvidia_packages import observe_nvidia_packages, upstream_of
from agent.model.errors import Missing

if TYPE_CHECKING:
    from agent.machine.api import Machine

LINK = "/usr/local/cuda"
LIBRARY_FOLDERS = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/local/lib", f"{LINK}/lib64")
_HEADER_FOLDERS = ("/usr/include", "/usr/include/x86_64-linux-gnu", "/usr/include/aarch64-linux-gnu",
                   "/usr/local/include", f"{LINK}/include")
_DISTRIBUTION = "nvidia-cuda-toolkit"


class Toolkit(NamedTuple):
    """A toolkit of NVIDIA's in its own folder, or (`path` /usr) the distribution's. `nvcc`: the compiler is there."""

    path: str
    version: str
    nvcc: bool


class Toolkits(NamedTuple):
    """All toolkits. `link` is what /usr/local/cuda points to (empty: no such thing), `chosen` what is behind it."""

    found: tuple[Toolkit, ...]
    link: str = ""
    chosen: Toolkit | None = None

    @property
    def in_use(self) -> Toolkit | None:
        """Return the chosen one, else the distribution's, which needs no link."""
        return self.chosen or next((toolkit for toolkit in self.found if toolkit.path == "/usr"), None)


class CudnnFiles(NamedTuple):
    """cuDNN on the host: version in its header, (file, version) of its libraries, packages by name."""

    header: str = ""
    libraries: tuple[tuple[str, str], ...] = ()
    packages: tuple[tuple[str, str], ...] = ()


def resolve_link(machine: Machine, path: str) -> str:
    """Return what a path is after following links at its end; empty when nothing is there."""
    for _ in range(10):
        try:
            seen = machine.status(path)
        except Missing:
            return ""
        if seen.kind != "link":
            return path
        path = seen.target if seen.target.startswith("/") else f"{path.rpartition('/')[0]}/{seen.target}"
    return ""


def observe_toolkits(machine: Machine) -> Toolkits:
    """Return the toolkits under /usr/local and the distribution's."""
    try:
        names = machine.listing("/usr/local")
    except Missing:
        names = ()
    folders = [f"/usr/local/{name}" for name in names if re.fullmatch(r"cuda-\d+(\.\d+)?", name)]
    found = [_toolkit(machine, path) for path in folders if machine.status(path).kind == "directory"]
    found = [toolkit for toolkit in found if toolkit.nvcc or machine.exists(f"{toolkit.path}/version.json")]
    target = _target(machine)
    behind = resolve_link(machine, LINK) if target else ""
    chosen = next((toolkit for toolkit in found if toolkit.path == behind), None)
    if chosen is None and behind and machine.exists(f"{behind}/bin"):
        chosen = _toolkit(machine, behind)
        found.append(chosen)
    return Toolkits((*found, *_distribution(machine)), target, chosen)


def _target(machine: Machine) -> str:
    try:
        seen = machine.status(LINK)
    except Missing:
        return ""
    return seen.target or LINK


def _toolkit(machine: Machine, path: str) -> Toolkit:
    return Toolkit(path, _version(machine, path), machine.exists(f"{path}/bin/nvcc"))


def _version(machine: Machine, path: str) -> str:
    """Return the version in version.json, else the one in the folder's name; empty when neither tells."""
    try:
        return str(json.loads(machine.read(f"{path}/version.json"))["cuda"]["version"])
    except (Missing, ValueError, KeyError, TypeError):
        return path.rpartition("/cuda-")[2] if "/cuda-" in path else ""


def _distribution(machine: Machine) -> tuple[Toolkit, ...]:
    try:
        package = observe_nvidia_packages(machine).get(_DISTRIBUTION)
    except Missing:
        return ()
    if package is None:
        return ()
    return (Toolkit("/usr", upstream_of(package.version), machine.exists("/usr/bin/nvcc")),)


def observe_cudnn(machine: Machine) -> CudnnFiles:
    """Return what there is of cuDNN."""
    try:
        packages = tuple((name, upstream_of(package.version)) for name, package
                         in observe_nvidia_packages(machine).items() if re.match(r"libcudnn\d|cudnn\d", name))
    except Missing:
        packages = ()
    found = {}
    for folder in LIBRARY_FOLDERS:
        for major in ("8", "9"):
            behind = resolve_link(machine, f"{folder}/libcudnn.so.{major}")
            if behind:
                found[behind] = behind.rpartition(".so.")[2]
    return CudnnFiles(_header(machine), tuple(found.items()), packages)


def _header(machine: Machine) -> str:
    for folder in _HEADER_FOLDERS:
        for name in ("cudnn_version.h", "cudnn_version_v9.h", "cudnn_version_v8.h"):
            try:
                text = machine.read(f"{folder}/{name}")
            except Missing:
                continue
            numbers = re.findall(r"#define CUDNN_(?:MAJOR|MINOR|PATCHLEVEL) (\d+)", text)
            if len(numbers) == 3:
                return ".".join(numbers)
    return ""


def find_gcc(machine: Machine) -> int | None:
    """Return the major version of /usr/bin/gcc by the name it links to, None without one."""
    found = re.search(r"gcc-(\d+)$", resolve_link(machine, "/usr/bin/gcc"))
    return int(found[1]) if found else None
