#!/usr/bin/python
"""Packages in a sane state before anything is installed: first boot over, no lock held, nothing half done."""

from __future__ import annotations

import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.dpkg_state import (
    APT_GET,
    FORMAT,
    half_done,
    half_removed,
    holders,
    interrupted,
    need_reinstall,
    parse_states,
)

DOCUMENTATION = r"""
module: apt_ready
short_description: Waits for cloud-init and apt, finishes what dpkg left half done
description:
  - Waits (bounded) until cloud-init has finished and nobody holds apt's or dpkg's locks.
  - Finishes half-configured packages with dpkg --configure -a, and what that cannot finish (a power cut in the middle
    of unpacking) with apt-get. In check mode nothing is waited for.
options:
  timeout_s:
    description: How long to wait, in seconds, for each of the two.
    type: int
    default: 600
  wait_cloud_init:
    description: Whether a running cloud-init is waited for.
    type: bool
    default: true
"""
EXAMPLES = r"""
- name: Wait until packages can be installed
  apt_ready:
    timeout_s: 600
"""
RETURN = r"""
changes:
  description: What was (or would be) changed, as target, before, after.
  returned: always
  type: list
"""
FORCE = ("confdef", "confold")  # a settings file that a person changed stays
CONFIGURE = ["dpkg", *(f"--force-{word}" for word in FORCE), "--configure", "-a"]
FINISH = [*APT_GET, *(word for name in FORCE for word in ("-o", f"Dpkg::Options::=--force-{name}")),
          "install", "--fix-broken", "--no-remove", "--no-install-recommends", "--reinstall"]
QUIET = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_MODE": "l", "LC_ALL": "C.UTF-8"}


def wait_for_cloud_init(module: AnsibleModule, timeout_s: int) -> None:
    """Return when cloud-init does not run (any more); fails the module at the deadline."""
    program = module.get_bin_path("cloud-init")
    if not program or "running" not in module.run_command([program, "status"])[1]:
        return
    if module.check_mode:
        module.warn("cloud-init is still setting this machine up; an apply waits for it.")
        return
    code, _, _ = module.run_command(["timeout", str(max(timeout_s, 1)), program, "status", "--wait"])
    if code == 124:
        module.fail_json(
            msg=f"cloud-init still runs after {timeout_s} s. `cloud-init status --long` says what it "
            "does; run again when it has finished."
        )
    if code != 0:
        module.warn("cloud-init finished with errors: `cloud-init status --long` names them.")


def wait_for_locks(module: AnsibleModule, timeout_s: int) -> None:
    """Return when nobody holds a lock of apt or dpkg; fails the module, naming who does, at the deadline."""
    deadline = time.monotonic() + timeout_s
    while found := holders():
        if module.check_mode:
            module.warn(f"apt is busy: {', '.join(found)}; an apply waits for it.")
            return
        if time.monotonic() >= deadline:
            module.fail_json(
                msg=f"apt is still in use after {timeout_s} s by {', '.join(found)}. "
                "Let it finish, then run again; nothing was changed."
            )
        time.sleep(1)


def states(module: AnsibleModule) -> dict[str, str]:
    """Return dpkg's state letters by package."""
    code, out, err = module.run_command(["dpkg-query", "-W", FORMAT])
    if code != 0:
        module.fail_json(msg=f"dpkg-query failed: {err.strip()}")
    return parse_states(out)


def repair(module: AnsibleModule) -> None:
    """Finish what dpkg left half done; fails the module with the last words of the last attempt.

    dpkg alone can finish neither a package that was cut off while it was unpacked nor one whose dependencies
    had not been unpacked yet; apt-get fetches these again.
    """
    code, out, err = module.run_command(CONFIGURE, environ_update=QUIET)
    for step in ("", "update"):
        seen = states(module)
        if code == 0 and not half_done(seen):
            return
        if step:
            module.run_command([*APT_GET, step], environ_update=QUIET)
        code, out, err = module.run_command([*FINISH, *need_reinstall(seen)], environ_update=QUIET)
    left = half_done(states(module))
    if code != 0 or left:
        said = [line for line in err.splitlines() if line.startswith("E:")] or (err or out).strip().splitlines()[-3:]
        module.fail_json(
            msg=f"neither `dpkg --configure -a` nor `apt-get install --fix-broken` could finish "
            f"{', '.join(left) or 'what dpkg had begun'}: {' | '.join(said)}"
        )


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "timeout_s": {"type": "int", "default": 600},
            "wait_cloud_init": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    if module.params["wait_cloud_init"]:
        wait_for_cloud_init(module, module.params["timeout_s"])
    wait_for_locks(module, module.params["timeout_s"])
    seen = states(module)
    unwanted = half_removed(seen)
    if unwanted:
        module.fail_json(
            msg=f"the removal of {', '.join(unwanted)} was interrupted. Finish it with `dpkg --remove "
            f"{' '.join(unwanted)}`, then run this again; nothing was changed."
        )
    changes = [
        {"target": name, "before": state, "after": "configured"}
        for name, state in half_done(seen).items()
    ]
    if interrupted() and not changes:
        changes = [{"target": "dpkg", "before": "interrupted", "after": "finished"}]
    if changes and not module.check_mode:
        repair(module)
    module.exit_json(changed=bool(changes), changes=changes)


if __name__ == "__main__":
    main()
