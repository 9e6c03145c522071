"""What a driver is made of, by where it comes from. Three families of package names; never mixed.

Sources: NVIDIA's driver installation guide (names, pinning packages, branch suffix gone from 590 on), the
package indexes of Debian and Ubuntu.
"""

from __future__ import annotations

from dataclasses import dataclass

DEBIAN_BRANCH = {"12": "535", "13": "550"}
_SUFFIX_ENDS = 590       # NVIDIA's packages for Ubuntu carry the branch in their names before this one
_FIRST_PINNING = 580
_TURING, _BLACKWELL = 0x1E00, 0x2900  # first PCI device ids of these generations
PROPRIETARY, OPEN = "proprietary", "open"


class WishError(Exception):
    """What the profile asks for does not exist; the message says what does."""


@dataclass(frozen=True)
class Wish:
    """What the profile asks for, and the system it is for. `branch` "" = any. `gpus`: PCI device ids."""

    distribution: str
    version: str
    branch: str = ""
    flavour: str = "auto"
    source: str = "auto"
    variant: str = "full"
    persistence: bool = True
    gpus: tuple = ()
    server: bool = True
    images: tuple = ()


@dataclass(frozen=True)
class Family:
    """A driver as packages. `source`: nvidia, debian, ubuntu. `dkms`: its module is built on this machine.

    `pinning` is the package that keeps the branch, "" for none; `branch` "" = whatever the source has.
    """

    source: str
    branch: str
    flavour: str
    packages: tuple
    pinning: str = ""
    dkms: bool = True


def choose_source(wish, have="", offers_ubuntu=True):
    """Return nvidia, debian or ubuntu. `have`: where an installed driver is from. Raises WishError."""
    own = DEBIAN_BRANCH.get(wish.version, "") if wish.distribution == "debian" else wish.branch
    blackwell = any(number(gpu) >= _BLACKWELL for gpu in wish.gpus)
    if wish.source == "distribution":
        if wish.distribution == "debian" and wish.branch not in ("", own):
            raise WishError(f"Debian {wish.version} has driver branch {own}, the profile asks for {wish.branch} "
                            "(gpu.driver.branch). Take `source: nvidia`, or leave the branch out")
        if wish.distribution == "ubuntu" and not wish.branch:
            raise WishError("Ubuntu's driver packages are named by branch: give the profile one (gpu.driver.branch)")
        if wish.distribution == "debian" and blackwell:
            raise WishError(f"Debian's driver {own} does not know this card; take `source: nvidia`")
        return wish.distribution
    if wish.source == "nvidia":
        return "nvidia"
    if have:
        return have
    if wish.distribution == "debian":
        return "debian" if wish.branch in ("", own) and not blackwell else "nvidia"
    return "ubuntu" if wish.branch and offers_ubuntu else "nvidia"


def choose_flavour(wish, source, have=""):
    """Return open or proprietary. `have`: what is installed, kept when nothing speaks against it.

    Raises WishError when a card cannot be driven so.
    """
    old = [gpu for gpu in wish.gpus if number(gpu) < _TURING]
    new = [gpu for gpu in wish.gpus if number(gpu) >= _BLACKWELL]
    if old and new:
        raise WishError(f"card 10de:{old[0]} needs the proprietary modules and card 10de:{new[0]} the open ones; "
                        "one machine cannot load both")
    if wish.flavour == OPEN and old:
        raise WishError(f"card 10de:{old[0]} is older than Turing: the open modules do not drive it")
    if wish.flavour == PROPRIETARY and new:
        raise WishError(f"card 10de:{new[0]} is Blackwell or newer: only the open modules drive it")
    if wish.flavour != "auto":
        return wish.flavour
    if old or new:
        return PROPRIETARY if old else OPEN
    # Debian 12's open modules want a firmware that its security updates have moved away from.
    return have or (PROPRIETARY if source == "debian" else OPEN)


def number(device_id):
    """Return a PCI device id as a number, that of Turing when it is no id."""
    try:
        return int(device_id, 16)
    except ValueError:
        return _TURING


def family(wish, source, flavour):
    """Return the Family that gives this driver from this source."""
    is_open = flavour == OPEN
    full = wish.variant == "full"
    if source == "debian":
        branch = wish.branch or DEBIAN_BRANCH.get(wish.version, "")
        names = ["nvidia-open-kernel-dkms" if is_open else "nvidia-kernel-dkms"]
        names += ["nvidia-driver"] if full else ["libcuda1", "nvidia-smi"]
        names += ["nvidia-persistenced"] if wish.persistence else []
        return Family(source, branch, flavour, tuple(sorted(names)))
    if source == "ubuntu":
        return _of_ubuntu(wish, flavour, is_open, full)
    return _of_nvidia(wish, flavour, is_open, full)


def _of_nvidia(wish, flavour, is_open, full):
    branch = wish.branch
    pinning = f"nvidia-driver-pinning-{branch}" if branch and int(branch) >= _FIRST_PINNING else ""
    if wish.distribution == "debian":
        kernel = "nvidia-kernel-open-dkms" if is_open else "nvidia-kernel-dkms"
        names = [kernel, "nvidia-driver-cuda"]
        daemon = "nvidia-persistenced"
    elif branch and int(branch) < _SUFFIX_ENDS:
        names = [f"nvidia-dkms-{branch}-open" if is_open else f"nvidia-dkms-{branch}",
                 f"libnvidia-compute-{branch}", f"nvidia-utils-{branch}"]
        daemon = f"nvidia-compute-utils-{branch}"
    else:
        names = ["nvidia-dkms-open" if is_open else "nvidia-dkms", "libnvidia-compute"]
        daemon = "nvidia-persistenced"
    if full:
        suffix = f"-{branch}" if branch and wish.distribution == "ubuntu" and int(branch) < _SUFFIX_ENDS else ""
        names = [f"nvidia-open{suffix}" if is_open else f"cuda-drivers{suffix}"]
    names += [daemon] if wish.persistence else []
    return Family("nvidia", branch, flavour, tuple(sorted(names)), pinning)


def _of_ubuntu(wish, flavour, is_open, full):
    series = wish.branch + ("-server" if wish.server and not full else "")
    ending = "-open" if is_open else ""
    # Canonical's modules are built and signed per kernel; a kernel from elsewhere has them built here.
    ready = [f"linux-modules-nvidia-{series}{ending}-{image}" for image in wish.images]
    names = ready or [f"nvidia-dkms-{series}{ending}"]
    if full:
        names.append(f"nvidia-driver-{series}{ending}")
    else:
        names += [f"nvidia-headless-no-dkms-{series}{ending}", f"nvidia-utils-{series}"]
    names += [f"nvidia-compute-utils-{series}"] if wish.persistence else []
    return Family("ubuntu", wish.branch, flavour, tuple(sorted(names)), "", not ready)
