"""The NVIDIA driver that is on this machine: its packages, its kernel module, what is loaded."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field

from ansible.module_utils.atomic import read_text
from ansible.module_utils.driver_family import DEBIAN_BRANCH
from ansible.module_utils.engine import run

_PATTERNS = ("nvidia-*", "libnvidia-*", "linux-modules-nvidia-*", "cuda-drivers*", "libcuda1", "linux-image-*",
             "xserver-xorg-core", "gnome-shell", "plasma-workspace", "xwayland")
_MODULE_PACKAGE = re.compile(r"nvidia-(open-)?kernel-(open-)?dkms|nvidia-dkms(-\d+)?(-server)?(-open)?|"
                             r"linux-modules-nvidia-\d+.*")
_LIBRARIES = re.compile(r"libnvidia-compute(-\d+(-server)?)?|libnvidia-ml1|libcuda1|nvidia-(open|driver-cuda)|"
                        r"cuda-drivers")
_DESKTOP = ("xserver-xorg-core", "gnome-shell", "plasma-workspace", "xwayland")


@dataclass(frozen=True)
class Installed:
    """What dpkg has of a driver. `source`: nvidia, debian, ubuntu, "" = no driver. `packages`: {name: version}."""

    source: str = ""
    version: str = ""
    flavour: str = ""
    packages: dict = field(default_factory=dict)

    @property
    def branch(self):
        """The driver's branch, like 580; "" = no driver."""
        return self.version.partition(".")[0]

    @property
    def desktop(self):
        """Whether a graphical desktop is installed."""
        return any(name in self.packages for name in _DESKTOP)

    @property
    def server_series(self):
        """Whether Ubuntu's packages of the server series are installed."""
        return any("-server" in name for name in self.packages if "nvidia" in name)


def seen_packages(distribution, release):
    """Return the Installed driver of a distribution's release ("debian", "12")."""
    packages = installed_versions()
    modules = sorted(name for name in packages if _MODULE_PACKAGE.fullmatch(name))
    chosen = modules or sorted(name for name in packages if _LIBRARIES.fullmatch(name))
    if not chosen:
        return Installed(packages=packages)
    deb = packages[chosen[0]]
    version = driver_version(packages) or upstream(deb)
    flavour = ("open" if "open" in chosen[0] else "proprietary") if modules else ""
    return Installed(origin(deb, distribution, release), version, flavour, packages)


def installed_versions():
    """Return {name: version} of the installed packages that tell about driver, kernels and desktop."""
    form = "${Package} ${Version} ${db:Status-Status}\n"
    _, out, _ = run("dpkg-query", "--show", "--showformat", form, *_PATTERNS)
    rows = (line.split(" ") for line in out.splitlines())
    return {row[0]: row[1] for row in rows if len(row) == 3 and row[2] == "installed"}


def driver_version(packages):
    """Return the driver's version by its libraries, "" when none is installed."""
    found = [upstream(version) for name, version in sorted(packages.items()) if _LIBRARIES.fullmatch(name)]
    return next((version for version in found if version.count(".") >= 1), "")


def upstream(deb_version):
    """Return the driver's version in a package's version: `580.95.05-0ubuntu1` → 580.95.05."""
    return deb_version.partition(":")[2].partition("-")[0] if ":" in deb_version else deb_version.partition("-")[0]


def origin(deb_version, distribution, release):
    """Return whose package a version is of: the distributions' revisions tell them from NVIDIA's."""
    if distribution == "ubuntu":
        return "ubuntu" if re.search(r"ubuntu\d+\.\d+\.\d+", deb_version) else "nvidia"
    branch = upstream(deb_version).partition(".")[0]
    return "debian" if branch == DEBIAN_BRANCH.get(release) else "nvidia"


def loaded_version():
    """Return the version of the loaded kernel module, "" when none is loaded."""
    return (read_text("/sys/module/nvidia/version") or "").strip()


def nouveau_loaded():
    """Return whether nouveau holds the cards."""
    return os.path.isdir("/sys/module/nouveau")


def nvswitches(devices="/sys/bus/pci/devices"):
    """Return the PCI addresses of NVSwitches: NVIDIA's bridges of class 0680."""
    found = []
    for address in sorted(os.listdir(devices)) if os.path.isdir(devices) else []:
        told = [(read_text(f"{devices}/{address}/{name}") or "").strip() for name in ("vendor", "class")]
        if told[0] == "0x10de" and told[1].startswith("0x0680"):
            found.append(address)
    return found


def single_version(name):
    """Return the installed version of one package, "" when it is not installed."""
    code, out, _ = run("dpkg-query", "--show", "--showformat", "${db:Status-Status} ${Version}", name)
    state, _, version = out.partition(" ")
    return version if code == 0 and state == "installed" else ""
