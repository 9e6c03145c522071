#!/usr/bin/python
"""The four packages of the NVIDIA Container Toolkit at one version, pinned and held together."""

from __future__ import annotations

from ansible.module_utils import repository, vendor
from ansible.module_utils.atomic import read_text, write_atomic
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.debs import AptError, install, installed, newest_common, older
from ansible.module_utils.engine import run

DOCUMENTATION = r"""
module: toolkit_packages
short_description: NVIDIA Container Toolkit, four packages at one version
description:
  - Packages that are there at one version, new enough and as asked, are kept, wherever they came from.
  - NVIDIA's repository is added only when packages are missing and no other source names it.
  - Changes nothing on a vendor's system.
  - The version is pinned in preferences.d and the packages are held, so that no upgrade tears them apart.
options:
  version: {type: str, default: "", description: "X.Y.Z; empty = keep what is there, else the newest."}
  min_version: {type: str, default: "", description: "X.Y.Z; older ones are replaced."}
  repository: {type: str, required: true, description: "Address of the folder above the architectures."}
  repository_key: {type: str, required: true, description: Address of the ASCII-armoured key.}
  vendor_managed: {type: bool, default: false, description: The packages are the vendor's.}
"""

EXAMPLES = r"""
- name: Install the NVIDIA Container Toolkit
  toolkit_packages:
    repository: https://nvidia.github.io/libnvidia-container/stable/deb
    repository_key: https://nvidia.github.io/libnvidia-container/gpgkey
"""

RETURN = r"""
changes: {description: "What changed: target, before, after.", returned: success, type: list}
notes: {description: What a person should know., returned: success, type: list}
"""

NAMES = ("libnvidia-container1", "libnvidia-container-tools", "nvidia-container-toolkit-base",
         "nvidia-container-toolkit")
SOURCE = "/etc/apt/sources.list.d/firstlight-nvidia-container-toolkit.sources"
PIN = "/etc/apt/preferences.d/60-firstlight-container-toolkit"


class NoSuchVersionError(Exception):
    """The packages cannot be had as asked."""


def kept_version(have, version, min_version):
    """Return the one version that is installed and good as it is, or ""."""
    versions = {deb.version for deb in have.values()}
    if set(have) != set(NAMES) or len(versions) != 1:
        return ""
    found = versions.pop()
    if version:
        return found if version in (found, found.rpartition("-")[0]) else ""
    return "" if min_version and older(found, min_version) else found


def offered_version(version, min_version):
    """Return the version to install, "" when apt's lists have none yet. Raises NoSuchVersionError."""
    found = newest_common(NAMES, version)
    if found and min_version and not version and older(found, min_version):
        raise NoSuchVersionError(f"the newest NVIDIA Container Toolkit that apt offers is {found}, older "
                                 f"than the {min_version} that the profile asks for (min_version)")
    return found


def source_change(asked):
    """Return (text, change) of our apt source; ("", None) when the repository is named already."""
    uri = f"{asked['repository'].rstrip('/')}/$(ARCH)"
    if repository.rival(uri, SOURCE) or repository.names_uri(read_text(SOURCE), uri):
        return "", None
    text = repository.render_source(uri, "/", "", repository.fetch_key(asked["repository_key"]))
    return text, {"target": SOURCE, "before": "absent" if read_text(SOURCE) is None else "another address",
                  "after": uri}


def render_pin(version):
    """Return the preferences that keep the four at this version."""
    return (f"# Written by Firstlight.\nPackage: {' '.join(NAMES)}\n"
            f"Pin: version {version}\nPin-Priority: 1001\n")


def package_changes(have, version):
    """Return one change per package that is not installed at this version and held."""
    after = f"{version}, held"
    states = {name: f"{deb.version}, held" if deb.held else deb.version for name, deb in have.items()}
    return [{"target": name, "before": states.get(name, "absent"), "after": after}
            for name in NAMES if states.get(name) != after]


def pinned(text):
    """Return the version a preferences text names, for people."""
    lines = [line for line in (text or "").splitlines() if line.startswith("Pin: version ")]
    return lines[0].removeprefix("Pin: version ") if lines else "absent"


def carry_out(source_text, asked, version):
    """Add the source, choose the version, pin, install, hold. Raises AptError or NoSuchVersionError."""
    if source_text:
        repository.add(SOURCE, source_text)
    version = version or offered_version(asked["version"], asked["min_version"])
    if not version:
        wanted = asked["version"] or "at all"
        raise NoSuchVersionError(f"apt offers no version {wanted} that all of {', '.join(NAMES)} have")
    if read_text(PIN) != render_pin(version):
        write_atomic(PIN, render_pin(version))
    have = installed(NAMES)
    if any(name not in have or have[name].version != version for name in NAMES):
        install([f"{name}={version}" for name in NAMES], "--allow-downgrades", "--allow-change-held-packages")
    code, out, err = run("apt-mark", "hold", *NAMES)
    if code:
        raise AptError(f"apt-mark hold failed: {(out + err).strip()}")
    left = package_changes(installed(NAMES), version)
    if left:
        raise AptError(f"apt reported success, but {left[0]['target']} is {left[0]['before']}")


def wanted_changes(asked):
    """Return (changes, source text, version or ""). Raises UnreachableKeyError, NoSuchVersionError."""
    have = installed(NAMES)
    version, text, changes = kept_version(have, asked["version"], asked["min_version"]), "", []
    if not version:
        text, change = source_change(asked)
        changes += [change] if change else []
        version = "" if text else offered_version(asked["version"], asked["min_version"])
    label = version or asked["version"] or "newest"
    pin = read_text(PIN)
    if pin != render_pin(label):
        changes.append({"target": PIN, "before": pinned(pin), "after": label})
    return changes + package_changes(have, label), text, version


def main():
    """Find what is missing, make it, and answer."""
    module = AnsibleModule(
        argument_spec={
            "version": {"type": "str", "default": ""},
            "min_version": {"type": "str", "default": ""},
            "repository": {"type": "str", "required": True},
            "repository_key": {"type": "str", "required": True, "no_log": False},
            "vendor_managed": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    here = ", ".join(f"{name} {deb.version}" for name, deb in installed(NAMES).items()) or "none"
    note = vendor.vendor_note("the NVIDIA Container Toolkit", here, module.params["vendor_managed"])
    if note is not None:
        module.exit_json(changed=False, changes=[], notes=[note])
    try:
        changes, text, version = wanted_changes(module.params)
        if changes and not module.check_mode:
            carry_out(text, module.params, version)
    except (repository.UnreachableKeyError, NoSuchVersionError, AptError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(changes), changes=changes)


if __name__ == "__main__":
    main()
