#!/usr/bin/python
"""Packages that must be installed; predicted truthfully also where apt has no package lists yet."""

from __future__ import annotations

import os
import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.dpkg_state import APT_GET, FETCH_FAILED, FORMAT, parse_states

DOCUMENTATION = r"""
module: packages
short_description: Packages that must be installed
description:
  - Installs what is missing, without recommended packages and without removing any.
  - Package lists are fetched only when something is missing and they are old or do not do, which is not a change.
options:
  names:
    description: Package names.
    type: list
    elements: str
    required: true
  cache_valid_s:
    description: Package lists younger than this, in seconds, are used as they are.
    type: int
    default: 86400
"""
EXAMPLES = r"""
- name: Install the basics
  packages:
    names: [jq, smartmontools]
"""
RETURN = r"""
changes:
  description: What was (or would be) changed, as target, before, after.
  returned: always
  type: list
"""
QUIET = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_MODE": "l", "LC_ALL": "C.UTF-8"}
KEEP = ["-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold"]
LISTS = "/var/lib/apt/lists"
WORDS = {"": "absent", "n": "absent", "c": "only its settings", "H": "half installed", "U": "unpacked",
         "F": "half configured"}


def missing(names: list[str], states: dict[str, str]) -> dict[str, str]:
    """Return, by package that is not installed, a word for its state: "absent" or what dpkg's second letter means."""
    return {name: WORDS.get(letter, letter) for name in names
            if (letter := states.get(name, "")[1:2]) != "i"}


def lists_age_s(folder: str = LISTS) -> float:
    """Return the age of the newest package list in seconds; endless when there is none."""
    try:
        names = [name for name in os.listdir(folder) if "_Packages" in name]
    except FileNotFoundError:
        names = []
    if not names:
        return float("inf")
    stamps = [os.stat(f"{folder}/{name}").st_mtime for name in ("", *names)]
    return time.time() - max(stamps)


def installed(module: AnsibleModule, names: list[str]) -> dict[str, str]:
    """Return dpkg's state letters of those packages it knows."""
    code, out, err = module.run_command(["dpkg-query", "-W", FORMAT, *names])
    if code not in (0, 1):  # 1: it does not know one of them
        module.fail_json(msg=f"dpkg-query failed: {err.strip()}")
    return parse_states(out)


def apt(module: AnsibleModule, *words: str) -> str:
    """Run apt-get; return "" or what it failed with."""
    code, out, err = module.run_command([*APT_GET, *words], environ_update=QUIET)
    if code == 0:
        return ""
    said = [line for line in err.splitlines() if line.startswith("E:")] or (err or out).strip().splitlines()[-3:]
    command = " ".join(word for word in words if word[0] not in "-D")
    return f"`apt-get {command}` failed: {' | '.join(said)}"


def drop_empty_lists(folder: str = LISTS) -> None:
    """Remove package lists without content: what a power cut leaves of a list that was being fetched.

    apt believes such a list for as long as the repository does not change.
    """
    for entry in os.scandir(folder) if os.path.isdir(folder) else ():
        if "_Packages" in entry.name and entry.is_file(follow_symlinks=False) and not entry.stat().st_size:
            os.unlink(entry.path)


def install(module: AnsibleModule, names: list[str]) -> None:
    """Install packages; where the package lists at hand do not do, with lists fetched anew. Fails the module."""
    words = ("install", "--no-install-recommends", "--no-remove", *KEEP, *names)
    if lists_age_s() <= module.params["cache_valid_s"] and not apt(module, *words):
        return
    drop_empty_lists()
    problem = apt(module, "update") or apt(module, *words)
    if FETCH_FAILED in problem:
        problem = apt(module, *words)
    if problem:
        module.fail_json(msg=problem)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "required": True},
            "cache_valid_s": {"type": "int", "default": 86400},
        },
        supports_check_mode=True,
    )
    names = sorted(set(module.params["names"]))
    wanting = missing(names, installed(module, names)) if names else {}
    changes = [{"target": name, "before": state, "after": "installed"} for name, state in wanting.items()]
    if changes and not module.check_mode:
        install(module, list(wanting))
        left = missing(names, installed(module, names))
        if left:
            module.fail_json(
                msg=f"apt-get installed something else in place of {', '.join(left)}; "
                "name the package itself in the profile."
            )
    module.exit_json(changed=bool(changes), changes=changes)


if __name__ == "__main__":
    main()
