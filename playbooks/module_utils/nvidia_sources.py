"""Apt sources of NVIDIA software, and what keeps two of them from mixing one driver.

Folders and keys: NVIDIA's driver installation guide and the README of its cuda-repo-management.
"""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass

from ansible.module_utils import repository
from ansible.module_utils.atomic import read_text, write_atomic

CUDA = "/etc/apt/sources.list.d/firstlight-nvidia-cuda.sources"
TOOLS = "/etc/apt/sources.list.d/firstlight-nvidia-devtools.sources"
NON_FREE = "/etc/apt/sources.list.d/firstlight-debian-non-free.sources"
GUARD = "/etc/apt/preferences.d/60-firstlight-nvidia-repository"
BRANCH_PIN = "/etc/apt/preferences.d/60-firstlight-nvidia-driver"
_KEYS = {"debian13": "8793F200.pub"}
_OLD_KEY = "3bf863cc.pub"
_TOOLS_SYSTEM = {"debian12": "ubuntu2204", "debian13": "ubuntu2404"}  # nothing for Debian; no dependencies either
_DRIVER_NAMES = ("cuda-compat-*", "cuda-drivers*", "libcuda1*", "libnvcuvid1*", "libnvidia-*", "libxnvctrl*",
                 "nvidia-*", "xserver-xorg-video-nvidia*")


@dataclass(frozen=True)
class Source:
    """An apt source of ours: its file, address, suite and the address of its key."""

    path: str
    uri: str
    key: str


def cuda_source(base, key, distribution, version, architecture):
    """Return the Source with driver, CUDA and cuDNN for a system; its arm64 folder is called sbsa."""
    system = f"{distribution}{version.replace('.', '')}"
    folder = f"{base.rstrip('/')}/{system}/{'sbsa' if architecture == 'aarch64' else 'x86_64'}"
    return Source(CUDA, f"{folder}/", key or f"{folder}/{_KEYS.get(system, _OLD_KEY)}")


def tools_source(base, key, distribution, version, architecture):
    """Return the Source with the profilers for a system."""
    system = f"{distribution}{version.replace('.', '')}"
    machine = "arm64" if architecture == "aarch64" else "amd64"
    folder = f"{base.rstrip('/')}/{_TOOLS_SYSTEM.get(system, system)}/{machine}"
    return Source(TOOLS, f"{folder}/", key or f"{folder}/nvidia.pub")


def source_change(source, settled=""):
    """Return the change that adding a source is, None when it is there or `settled` names its file.

    A source of somebody else's for the same address counts: a second one makes apt refuse both.
    """
    text = read_text(source.path)
    if source.path in settled.split() or repository.names_uri(text, source.uri) or repository.rival(
            source.uri, source.path):
        return None
    return {"target": source.path, "before": "absent" if text is None else "another address", "after": source.uri}


def add_source(source):
    """Fetch the key, write the source, refresh apt's lists. Raises UnreachableKeyError, AptError."""
    repository.add(source.path, repository.render_source(source.uri, "/", "", repository.fetch_key(source.key)))


def guard_text():
    """Return preferences that let everything but the driver come from NVIDIA's CUDA repository."""
    return (f"# Written by Firstlight: the driver of this machine comes from elsewhere.\n"
            f"Package: {' '.join(_DRIVER_NAMES)}\nPin: release o=NVIDIA\nPin-Priority: -1\n")


def branch_text(branch):
    """Return preferences that keep the distribution's driver on one branch, and NVIDIA's repository off it."""
    names = "src:nvidia-graphics-drivers src:nvidia-open-gpu-kernel-modules"
    return (f"# Written by Firstlight.\nPackage: {names}\nPin: version {branch}.*\nPin-Priority: 990\n\n"
            f"Package: {names}\nPin: version *\nPin-Priority: -1\n\n"
            + guard_text().partition("\n")[2])


def file_change(path, wanted, label):
    """Return the change that brings a file to a text (None = must be absent), None when it is so."""
    text = read_text(path)
    if text == wanted:
        return None
    return {"target": path, "before": "absent" if text is None else "different",
            "after": "absent" if wanted is None else label}


def put_file(path, wanted):
    """Bring a file to a text (None = absent); return a function that undoes it."""
    before = read_text(path)

    def undo():
        if before is not None:
            write_atomic(path, before)
        elif os.path.exists(path):
            os.unlink(path)

    if wanted is None:
        if before is not None:
            os.unlink(path)
    elif before != wanted:
        write_atomic(path, wanted)
    return undo


def debian_entries(codename):
    """Return (uris, suites, components, signed-by) of this machine's sources for a Debian release."""
    found = []
    for path in ["/etc/apt/sources.list", *sorted(glob.glob("/etc/apt/sources.list.d/*.list"))]:
        found += [entry for line in (read_text(path) or "").splitlines() if (entry := _one_line(line))]
    for path in sorted(glob.glob("/etc/apt/sources.list.d/*.sources")):
        if path != NON_FREE:
            found += _stanzas(read_text(path) or "")
    return [entry for entry in found if any(suite.partition("-")[0] == codename for suite in entry[1].split())
            and "main" in entry[2].split()]


def _one_line(line):
    words = line.split("#")[0].split()
    if not words or words[0] != "deb":
        return None
    options, rest = {}, words[1:]
    if rest and rest[0].startswith("["):
        end = next(index for index, word in enumerate(rest) if word.endswith("]"))
        inside = " ".join(rest[: end + 1]).strip("[]").split()
        options, rest = dict(word.partition("=")[::2] for word in inside), rest[end + 1:]
    return (rest[0], rest[1], " ".join(rest[2:]), options.get("signed-by", "")) if len(rest) > 2 else None


def _stanzas(text):
    for part in text.split("\n\n"):
        fields, last = {}, ""
        for line in part.splitlines():
            if line.startswith((" ", "\t")):
                fields[last] = fields.get(last, "") + "\n" + line
            elif not line.startswith("#") and ":" in line:
                last, _, value = line.partition(":")
                fields[last] = value.strip()
        if "deb" in fields.get("Types", "").split() and fields.get("Enabled", "yes").lower() != "no":
            yield tuple(fields.get(name, "") for name in ("URIs", "Suites", "Components", "Signed-By"))


def non_free_text(codename):
    """Return a source with the parts of Debian the driver is in, at this machine's own mirrors; "" = not needed."""
    entries = debian_entries(codename)
    if any("non-free" in entry[2].split() and "contrib" in entry[2].split() for entry in entries):
        return ""
    blocks = []
    for uris, suites, _, signed in entries:
        lines = ["Types: deb", f"URIs: {uris}", f"Suites: {suites}", "Components: contrib non-free non-free-firmware"]
        blocks.append("\n".join([*lines, *([f"Signed-By: {signed}"] if signed else [])]) + "\n")
    return "# Written by Firstlight: the driver's part of Debian.\n" + "\n".join(blocks) if blocks else ""
