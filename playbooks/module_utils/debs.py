"""Debian packages: what is installed, what could be, and installing it without questions."""

from __future__ import annotations

from dataclasses import dataclass

from ansible.module_utils.dpkg_state import APT_GET, FETCH_FAILED
from ansible.module_utils.engine import run

APT = (*APT_GET, "-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold")


class AptError(Exception):
    """apt could not do it; the message carries its own words."""


@dataclass(frozen=True)
class Deb:
    """An installed package: its version, and whether it is held back from upgrades."""

    version: str
    held: bool


def installed(names):
    """Return {name: Deb} of those packages that are installed and configured."""
    form = "${Package} ${Version} ${db:Status-Want} ${db:Status-Status}\n"
    _, out, _ = run("dpkg-query", "--show", "--showformat", form, *names)
    found = {}
    for line in out.splitlines():
        name, version, want, status = line.split(" ") if line.count(" ") == 3 else ("", "", "", "")
        if status == "installed":
            found[name] = Deb(version, want == "hold")
    return found


def available(name):
    """Return the versions of a package that apt's lists offer, newest first as apt sorts them."""
    _, out, _ = run("apt-cache", "madison", name)
    versions = [line.split("|")[1].strip() for line in out.splitlines() if line.count("|") >= 2]
    return list(dict.fromkeys(versions))


def all_offered(names):
    """Return whether apt's lists offer every one of these packages."""
    _, out, _ = run("apt-cache", "madison", *names)
    return set(names) <= {line.split("|")[0].strip() for line in out.splitlines()}


def newest_common(names, wanted=""):
    """Return the newest version offered for all names (X.Y.Z or X.Y.Z-R when `wanted`), "" for none."""
    offers = [available(name) for name in names]
    fits = [version for version in offers[0] if all(version in offer for offer in offers[1:])]
    if wanted:
        fits = [version for version in fits if wanted in (version, version.rpartition("-")[0])]
    best = ""
    for version in fits:
        if not best or older(best, version):
            best = version
    return best


def older(left, right):
    """Return whether version `left` sorts before `right`, as dpkg compares."""
    return run("dpkg", "--compare-versions", left, "lt", right)[0] == 0


def update():
    """Refresh apt's lists. Raises AptError with what apt said."""
    code, out, err = run(*APT_GET, "update", timeout_s=600)
    if code:
        raise AptError(f"apt-get update failed: {_reason(out + err)}")


def install(specs, *options, timeout_s=1800):
    """Install packages (`name` or `name=version`). Raises AptError with what apt said."""
    argv = (*APT, "--no-install-recommends", *options, "install", *specs)
    code, out, err = run(*argv, timeout_s=timeout_s)
    if code and FETCH_FAILED in out + err:
        code, out, err = run(*argv, timeout_s=timeout_s)
    if code:
        raise AptError(f"apt-get install {' '.join(specs)} failed: {_reason(out + err)}")


def fetch(specs, *options, timeout_s=7200):
    """Make sure that packages can be installed and are downloaded, while nothing is changed. Raises AptError.

    Lists that are too old for the mirror are renewed once.
    """
    try:
        install(specs, "--download-only", *options, timeout_s=timeout_s)
    except AptError:
        update()
        install(specs, "--download-only", *options, timeout_s=timeout_s)


def _reason(text):
    """Return apt's error lines on one line, else its last words."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("E:", "W: Failed", "Err:", "dpkg:"))]
    return " | ".join((errors or lines)[-4:]) or "it said nothing"
