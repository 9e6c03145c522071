"""The NVIDIA Container Toolkit as it is found: packages, pin, CDI specifications, and the loaded driver."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from agent.machine.apt import Package, observe_packages
from agent.model.errors import Missing, Unobservable

if TYPE_CHECKING:
    from agent.machine.api import Machine

PACKAGES = ("libnvidia-container1", "libnvidia-container-tools", "nvidia-container-toolkit-base",
            "nvidia-container-toolkit")
PIN = "/etc/apt/preferences.d/60-firstlight-container-toolkit"
DRIVER = "/proc/driver/nvidia/version"
CDI_FOLDERS = ("/etc/cdi", "/run/cdi")
_RELEASE = r"(\d{3}\.\d+(?:\.\d+)?)"


class CdiSpec(NamedTuple):
    """A CDI file of the kind nvidia.com/…: its devices and the driver versions its paths name.

    `error` says why it cannot be used; then the rest is empty.
    """

    path: str
    devices: tuple[str, ...] = ()
    drivers: tuple[str, ...] = ()
    error: str = ""


def observe_toolkit_packages(machine: Machine) -> dict[str, Package]:
    """Return those of the four packages that are installed, by name. Missing on a machine without dpkg."""
    packages = observe_packages(machine)
    found = {name: packages[name] for name in PACKAGES if name in packages}
    return {name: package for name, package in found.items() if package.state == "installed"}


def upstream(version: str) -> tuple[int, ...]:
    """Return the numbers of X.Y.Z in a Debian version, 1.17.8-1 and 1.17.8~rc.1-1 alike; () for none."""
    found = re.match(r"(?:\d+:)?(\d+(?:\.\d+)*)", version)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def find_pinned_version(machine: Machine) -> str | None:
    """Return the version our preferences file pins, None without one."""
    try:
        text = machine.read(PIN)
    except Missing:
        return None
    found = re.search(r"^Pin: version (\S+)$", text, re.MULTILINE)
    return found[1] if found else None


def find_loaded_driver(machine: Machine) -> str | None:
    """Return the version of the NVIDIA kernel module that is loaded, None for none."""
    try:
        text = machine.read(DRIVER)
    except Missing:
        return None
    found = re.search(rf"^NVRM version:.*?\s{_RELEASE}\s", text, re.MULTILINE)
    if found is None:
        raise Unobservable(f"{DRIVER}: no version in {text.splitlines()[:1]}")
    return found[1]


def observe_cdi_specs(machine: Machine) -> tuple[CdiSpec, ...]:
    """Return the CDI files that speak of NVIDIA devices, in both of Docker's folders."""
    specs = []
    for folder in CDI_FOLDERS:
        try:
            names = machine.listing(folder)
        except Missing:
            continue
        paths = [f"{folder}/{name}" for name in names if name.endswith((".yaml", ".yml", ".json"))]
        parsed = (parse_cdi_spec(path, machine.read(path, limit_bytes=8 << 20)) for path in paths)
        specs += [spec for spec in parsed if spec is not None]
    return tuple(specs)


def parse_cdi_spec(path: str, text: str) -> CdiSpec | None:
    """Return the specification in a text, None when it is valid and of another vendor."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        spec = yaml.load(text, Loader=loader)  # noqa: S506 - a safe loader, the C one where there is one
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{mark.line + 1}:{mark.column + 1}: " if mark else ""
        return CdiSpec(path, error=f"{place}{getattr(error, 'problem', None) or 'not YAML'}")
    if not isinstance(spec, dict) or not isinstance(spec.get("kind"), str):
        return CdiSpec(path, error="1:1: no CDI specification (no kind)") if "nvidia" in path else None
    if not spec["kind"].startswith("nvidia.com/"):
        return None
    devices = spec.get("devices")
    names = [str(device.get("name")) for device in devices or () if isinstance(device, dict)]
    drivers = sorted(set(re.findall(rf"\.so\.{_RELEASE}\b", text)))
    return CdiSpec(path, tuple(names), tuple(drivers), "" if names else "it lists no devices")
