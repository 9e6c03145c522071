"""The kernels a driver must be ready for: the running one and the one that the next boot takes."""

from __future__ import annotations

import os
import re
import shutil

from ansible.module_utils.atomic import read_text
from ansible.module_utils.engine import run

SYSTEM_PATH = "/usr/sbin:/sbin:/usr/bin"
_MODULE = re.compile(r"^(\S*/nvidia(?:-current(?:-open)?|-open|-tesla[-\w]*|-legacy[-\w]*)?\.ko(?:\.(?:xz|zst|gz))?):",
                     re.MULTILINE)
_RELEASE = re.compile(r"(?:unsigned-)?(\d+\.\S+?)(?:-unsigned)?")


class NoHeadersError(Exception):
    """A kernel's headers cannot be named; the message says for which."""


def image_names(packages):
    """Return (kernel releases, metapackage names) of the installed `linux-image-…` packages."""
    ends = [name.removeprefix("linux-image-") for name in packages if name.startswith("linux-image-")]
    ends = [end for end in ends if not end.endswith("-dbg")]
    releases = {match[1] for end in ends if (match := _RELEASE.fullmatch(end))}
    return sorted(releases), sorted(end for end in ends if not _RELEASE.fullmatch(end))


def target_releases(releases, running):
    """Return the releases a module is needed for: the running one, if installed, and the newest."""
    newest = max(releases, key=order, default="")
    return [release for release in sorted(set(releases), key=order) if release in (running, newest)]


def order(release):
    """Return a key that sorts kernel releases as the boot loader does."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", release)[1:]]


def header_packages(releases, metas, running):
    """Return the packages with the headers of these kernels and of those to come. Raises NoHeadersError."""
    if not releases and not in_container() and not os.path.isdir(f"/lib/modules/{running}/build"):
        raise NoHeadersError(f"the running kernel {running} is from no package and /lib/modules/{running}/build is "
                             "not there: a driver module cannot be built. Install its headers by hand, or a "
                             "kernel of the distribution")
    return [f"linux-headers-{name}" for name in (*target_releases(releases, running), *metas)]


def in_container():
    """Return whether this is a container, which has no kernel of its own."""
    return os.path.exists("/run/systemd/container") or os.path.exists("/.dockerenv")


def module_of(release):
    """Return the path of the driver's module for a kernel, "" when there is none."""
    folder = f"/lib/modules/{release}"
    found = _MODULE.search(read_text(f"{folder}/modules.dep") or "")
    if found is None:
        return ""
    path = found[1] if found[1].startswith("/") else f"{folder}/{found[1]}"
    return path if os.path.exists(path) else ""


def module_field(path, name):
    """Return a field of a module file, as modinfo says it; "" when it has none."""
    return run("/usr/sbin/modinfo", "-F", name, path)[1].strip()


def build(release):
    """Have DKMS build what it has for a kernel; return "" or why that did not work."""
    code, out, err = run("/usr/sbin/dkms", "autoinstall", "-k", release, timeout_s=3600)
    if module_of(release):
        return ""
    said = [line.strip() for line in (out + err).splitlines() if line.strip()]
    logs = [f"{folder}/make.log" for folder, _, names in os.walk("/var/lib/dkms") if "make.log" in names]
    newest = max(logs, key=lambda path: os.stat(path).st_mtime, default="")
    tail = (read_text(newest) or "").strip().splitlines()[-3:] if newest else []
    words = " | ".join([*said[-2:], *tail]) or f"dkms ended with {code}"
    return f"no NVIDIA module was built for kernel {release}: {words}" + (f" (see {newest})" if newest else "")


def boot_problems(release, signed, boot="/boot"):
    """Return why the next boot, with this kernel, would come up without the GPU; empty when it would not.

    `signed`: Secure Boot is on, so an unsigned module is not loaded.
    """
    names = ["vmlinuz", "initrd.img"] if shutil.which("update-initramfs", path=SYSTEM_PATH) else ["vmlinuz"]
    files = [f"{boot}/{name}-{release}" for name in names]
    found = [f"{name} is missing or empty" for name in files
             if not os.path.exists(name) or os.stat(name).st_size == 0]
    module = module_of(release)
    if not module:
        found.append(f"no NVIDIA module for kernel {release}")
    elif signed and not module_field(module, "signer"):
        found.append(f"{module} is not signed, and Secure Boot is on")
    return found
