"""The NVIDIA driver without NVML: what is loaded, what lies on disk, and what the next boot will find."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, NamedTuple

from agent.machine.dkms import observe_dkms
from agent.machine.kernels import observe_next_kernel
from agent.model.errors import Missing

if TYPE_CHECKING:
    from agent.machine.api import Machine

LIBRARY = "libnvidia-ml.so.1"
_LIBRARY_FOLDERS = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib",
                    "/usr/lib/wsl/lib", "/usr/local/nvidia/lib64")
# nvidia.ko, and Debian's nvidia-current.ko and nvidia-current-open.ko
_MODULE = re.compile(r"/nvidia(?:-current(?:-open)?|-open|-tesla[-\d]*|-legacy[-\w]*)?\.ko(?:\.(?:xz|zst|gz))?:")
_COMPRESSED = (".xz", ".zst", ".gz")
_VERSION = re.compile(r"\d+\.\d+(?:\.\d+)?")


class DriverModule(NamedTuple):
    """A module file for one kernel. `flavour`: open, proprietary or empty (not told).

    `signer` is empty when the module is not signed, None when that was not looked at (see `inspect_module`).
    """

    kernel: str
    path: str
    version: str = ""
    flavour: str = ""
    signer: str | None = None


class DriverState(NamedTuple):
    """The driver by its parts; an empty text means that this part is not there.

    `running` and `next` are the module files for the running kernel and the one the next boot will take
    (None: no module for it). `nodes` are the device files /dev/nvidia*.
    """

    loaded: str
    flavour: str
    library: str
    library_path: str
    running_kernel: str
    next_kernel: str
    running: DriverModule | None
    next: DriverModule | None
    nouveau: bool
    nodes: tuple[str, ...]


def observe_driver(machine: Machine) -> DriverState:
    """Return the state of the driver; raises Unobservable when a part of it cannot be looked at."""
    running = machine.read("/proc/sys/kernel/osrelease").strip()
    following = observe_next_kernel(machine, running)
    path = find_library(machine)
    module = find_module(machine, running)
    return DriverState(
        loaded=loaded_version(machine), flavour=observe_flavour(machine),
        library=version_of(path), library_path=path, running_kernel=running, next_kernel=following,
        running=module, next=module if following == running else find_module(machine, following),
        nouveau=machine.exists("/sys/module/nouveau"),
        nodes=tuple(f"/dev/{name}" for name in machine.listing("/dev") if name.startswith("nvidia")),
    )


def loaded_version(machine: Machine) -> str:
    """Return the version of the loaded kernel module, empty when none is loaded."""
    try:
        return machine.read("/sys/module/nvidia/version").strip()
    except Missing:
        return ""


def observe_flavour(machine: Machine) -> str:
    """Return "open" or "proprietary" for the loaded module, empty when none is loaded or it does not say."""
    try:
        text = machine.read("/proc/driver/nvidia/version")
    except Missing:
        return ""
    first = text.partition("\n")[0]
    return "open" if "Open Kernel Module" in first else "proprietary" if "Kernel Module" in first else ""


def find_library(machine: Machine) -> str:
    """Return the file behind libnvidia-ml.so.1 in the linker's folders, links followed; empty when absent."""
    for folder in _LIBRARY_FOLDERS:
        path = f"{folder}/{LIBRARY}"
        for _ in range(10):
            try:
                seen = machine.status(path)
            except Missing:
                break
            if seen.kind != "link":
                return path
            path = seen.target if seen.target.startswith("/") else f"{path.rpartition('/')[0]}/{seen.target}"
    return ""


def version_of(path: str) -> str:
    """Return the version at the end of a library's file name: `libnvidia-ml.so.580.95.05` → 580.95.05."""
    found = _VERSION.fullmatch(path.rpartition(".so.")[2])
    return found[0] if found else ""


def find_module(machine: Machine, kernel: str) -> DriverModule | None:
    """Return the driver's module for a kernel release, None when modules.dep names none."""
    folder = f"/lib/modules/{kernel}"
    try:
        dependencies = machine.read(f"{folder}/modules.dep", limit_bytes=8 << 20)
    except Missing:
        return None
    name = _module_in(dependencies)
    if not name:
        return None
    path = name if name.startswith("/") else f"{folder}/{name}"
    module = DriverModule(kernel, path)
    if path.endswith(_COMPRESSED) and (version := _built_version(machine, kernel)):
        return module._replace(version=version)
    return inspect_module(machine, module)


def inspect_module(machine: Machine, module: DriverModule) -> DriverModule:
    """Return the module with what modinfo says of it; unchanged without modinfo, or when it has been asked.

    modinfo unpacks a compressed module as a whole: up to a second of CPU for this one.
    """
    if module.signer is not None:
        return module
    try:
        said = machine.run(("modinfo", module.path)).out
    except Missing:
        return module
    fields = dict(line.partition(":")[::2] for line in reversed(said.splitlines()))
    told = {name: fields.get(name, "").strip() for name in ("version", "license", "signer")}
    flavour = "open" if "GPL" in told["license"] else "proprietary" if told["license"] else ""
    return module._replace(version=told["version"], flavour=flavour, signer=told["signer"])


def _built_version(machine: Machine, kernel: str) -> str:
    """Return the one version DKMS has built for a kernel, empty when it is none or several."""
    versions = {entry.version for entry in observe_dkms(machine) if kernel in entry.kernels}
    return versions.pop() if len(versions) == 1 else ""


@functools.lru_cache(maxsize=4)
def _module_in(dependencies: str) -> str:
    """Return the driver's file in a modules.dep, empty without one. Many checks ask: remembered."""
    for found in _MODULE.finditer(dependencies):
        name = dependencies[dependencies.rfind("\n", 0, found.start()) + 1 : found.end() - 1]
        if not set(name) & {" ", ":"}:
            return name
    return ""


def has_module(machine: Machine, kernel: str, name: str) -> bool:
    """Return whether a kernel release has a module of this name, by its modules.dep."""
    try:
        return f"/{name}.ko" in machine.read(f"/lib/modules/{kernel}/modules.dep", limit_bytes=8 << 20)
    except Missing:
        return False
