#!/usr/bin/python
"""CUDA, cuDNN and profilers from NVIDIA's repositories, which must not bring a second driver along."""

from __future__ import annotations

import contextlib
import glob

from ansible.module_utils import alternative, driver_seen, nvidia_sources, vendor
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.debs import AptError, all_offered, fetch, install, update
from ansible.module_utils.repository import UnreachableKeyError

DOCUMENTATION = r"""
module: nvidia_packages
short_description: Packages from NVIDIA's CUDA or developer tools repository
description:
  - Adds the repository when no source names it yet, and keeps its driver away where the driver is from elsewhere.
  - What is there already is kept. Changes nothing on a vendor's system.
options:
  names: {type: list, elements: str, default: [], description: "Packages; name=version* narrows the version."}
  part: {type: str, required: true, description: "What they are, for people, like: the CUDA toolkit."}
  setting: {type: str, required: true, description: The profile's key that chooses them.}
  provided_by: {type: list, elements: str, default: [], description: Patterns of files that make them unnecessary.}
  link: {type: str, default: "", description: A link that names which one is used by default.}
  link_target: {type: str, default: "", description: Where it has to point.}
  tools: {type: bool, default: false, description: They are in the repository of developer tools.}
  repository: {type: str, required: true, description: Folder above NVIDIA's repositories.}
  repository_key: {type: str, default: "", description: Address of its key; empty = NVIDIA's own.}
  distribution: {type: str, required: true, description: debian or ubuntu.}
  version: {type: str, required: true, description: Its release.}
  architecture: {type: str, required: true, description: As uname says it.}
  driver_source: {type: str, default: "", description: "Where the driver is from, when that is known."}
  settled: {type: str, default: "", description: Files that an earlier task of this run takes care of.}
  vendor_managed: {type: bool, default: false, description: They are the vendor's.}
"""
EXAMPLES = r"""
- name: Install the CUDA toolkit
  nvidia_packages:
    part: the CUDA toolkit
    setting: gpu.cuda.toolkit
    names: [cuda-toolkit-13-0]
    repository: https://developer.download.nvidia.com/compute/cuda/repos
    distribution: debian
    version: "12"
    architecture: x86_64
"""
RETURN = r"""
changes: {description: "What changed: target, before, after.", returned: success, type: list}
notes: {description: What a person should know., returned: success, type: list}
kept_by_vendor: {description: Whether the vendor looks after them., returned: success, type: bool}
"""


def wanted_changes(asked, source):
    """Return (changes, {file: text or None}) of what is missing."""
    changes = [nvidia_sources.source_change(source, asked["settled"])]
    files = {}
    if not asked["tools"]:
        of_driver = asked["driver_source"] or driver_seen.seen_packages(asked["distribution"], asked["version"]).source
        guard = None if of_driver == "nvidia" else nvidia_sources.guard_text()
        if nvidia_sources.GUARD not in asked["settled"].split():
            files[nvidia_sources.GUARD] = guard
    changes += [nvidia_sources.file_change(path, text, "no driver from there") for path, text in files.items()]
    changes += package_changes(asked["names"])
    changes += [alternative.link_change(asked["link"], asked["link_target"])] if asked["link"] else []
    return [change for change in changes if change], files


def package_changes(specs):
    """Return one change per package that is absent or not of the version asked for (`name=1.2*`)."""
    found = []
    for spec in specs:
        name, _, pattern = spec.partition("=")
        version = driver_seen.single_version(name)
        if not version or not version.startswith(pattern.rstrip("*")):
            found.append({"target": name, "before": version or "absent", "after": pattern.rstrip("*") or "installed"})
    return found


def carry_out(asked, source, files):
    """Add what is missing; sources and pins go again when the packages cannot be had. Raises AptError."""
    with contextlib.ExitStack() as undo:
        for path, text in files.items():
            undo.callback(nvidia_sources.put_file(path, text))
        if nvidia_sources.source_change(source):
            undo.callback(nvidia_sources.put_file(source.path, nvidia_sources.read_text(source.path)))
            nvidia_sources.add_source(source)
        if not all_offered([spec.partition("=")[0] for spec in asked["names"]]):
            update()
        specs = [spec for spec in asked["names"] if package_changes([spec])]
        if specs:
            fetch(specs, "--allow-downgrades")
        undo.pop_all()
    if specs:
        install(specs, "--allow-downgrades", timeout_s=7200)
    if asked["link"]:
        alternative.choose(asked["link"], asked["link_target"])


def found_here(asked):
    """Return what of this is on the machine, as a phrase."""
    names = [f"{name} {version}" for spec in asked["names"]
             if (version := driver_seen.single_version(name := spec.partition("=")[0]))]
    names += [path for pattern in asked["provided_by"] for path in sorted(glob.glob(pattern))]
    return ", ".join(names) or "none"


def answer(asked, check_mode):
    """Make it so and return (changes, notes). Raises AptError, UnreachableKeyError."""
    named = [driver_seen.single_version(spec.partition("=")[0]) for spec in asked["names"]]
    if any(glob.glob(pattern) for pattern in asked["provided_by"]) and not any(named):
        change = alternative.link_change(asked["link"], asked["link_target"]) if asked["link"] else None
        if change and not check_mode:
            alternative.choose(asked["link"], asked["link_target"])
        return [change] if change else [], [f"{asked['part']} is here already: {found_here(asked)}"]
    if not asked["names"]:
        raise AptError(f"{asked['part']} is to be installed, but the profile does not say which: set "
                       f"{asked['setting']}")
    where = nvidia_sources.tools_source if asked["tools"] else nvidia_sources.cuda_source
    source = where(asked["repository"], asked["repository_key"], asked["distribution"], asked["version"],
                   asked["architecture"])
    changes, files = wanted_changes(asked, source)
    if changes and not check_mode:
        carry_out(asked, source, files)
    return changes, []


def main():
    """Look, plan, and, unless in check mode, carry out."""
    texts = ("part", "setting", "repository", "distribution", "version", "architecture")
    module = AnsibleModule(
        argument_spec={
            **{name: {"type": "str", "required": True} for name in texts},
            **{name: {"type": "list", "elements": "str", "default": []} for name in ("names", "provided_by")},
            **{name: {"type": "bool", "default": False} for name in ("tools", "vendor_managed")},
            **{name: {"type": "str", "default": ""} for name in ("driver_source", "settled", "link", "link_target")},
            "repository_key": {"type": "str", "default": "", "no_log": False},
        },
        supports_check_mode=True,
    )
    asked = module.params
    note = vendor.vendor_note(asked["part"], found_here(asked), asked["vendor_managed"])
    if note is not None:
        module.exit_json(changed=False, changes=[], notes=[note], kept_by_vendor=True)
    try:
        changes, notes = answer(asked, module.check_mode)
    except (AptError, UnreachableKeyError) as error:
        module.fail_json(msg=str(error))
    settled = " ".join([asked["settled"], *(change["target"] for change in changes)]).strip()
    module.exit_json(changed=bool(changes), changes=changes, notes=notes,
                     ansible_facts={"firstlight_nvidia_settled": settled})


if __name__ == "__main__":
    main()
