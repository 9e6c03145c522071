#!/usr/bin/python
"""The fabric manager of machines with NVSwitches, always of the driver's own version."""

from __future__ import annotations

from ansible.module_utils import driver_seen, vendor
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.busy import gpu_work
from ansible.module_utils.debs import AptError, available, install, update
from ansible.module_utils.engine import run

DOCUMENTATION = r"""
module: fabric_manager
short_description: NVIDIA Fabric Manager at the driver's version
description:
  - Does nothing on machines without NVSwitches. Changes nothing on a vendor's system.
options:
  needed: {type: str, default: auto, choices: [auto, always], description: "always: though no NVSwitch is seen."}
  branch: {type: str, description: The driver branch that the profile asks for.}
  distribution: {type: str, required: true, description: debian or ubuntu.}
  version: {type: str, required: true, description: Its release.}
  driver_moves: {type: bool, default: false, description: This run changes the driver's version.}
  driver_source: {type: str, default: "", description: "Where the driver is from, when that is known."}
  vendor_managed: {type: bool, default: false, description: It is the vendor's.}
  allow_disruption: {type: bool, default: false, description: Go on although a GPU is at work.}
"""
EXAMPLES = r"""
- name: Run the fabric manager
  fabric_manager:
    distribution: ubuntu
    version: "24.04"
"""
RETURN = r"""
changes: {description: "What changed: target, before, after.", returned: success, type: list}
notes: {description: What a person should know., returned: success, type: list}
"""
UNIT = "nvidia-fabricmanager.service"
_PLAIN_NAME = 580  # NVIDIA's package has no branch in its name from this one on


class Refusal(Exception):
    """It would disturb work; nothing was changed."""


def package_name(source, branch):
    """Return the package's name: Ubuntu keeps the branch in it, NVIDIA did until 570."""
    suffixed = branch and (source == "ubuntu" or int(branch) < _PLAIN_NAME)
    return f"nvidia-fabricmanager-{branch}" if suffixed else "nvidia-fabricmanager"


def planned(name, driver, moves, switches):
    """Return the changes; `driver`: its version, "" = not installed yet."""
    have = driver_seen.upstream(driver_seen.single_version(name))
    changes = []
    if not have or have != driver or moves:
        changes.append({"target": name, "before": have or "absent",
                        "after": "the driver's version" if moves or not driver else driver})
    _, out, _ = run("systemctl", "show", UNIT, "--property=UnitFileState,ActiveState")
    state = dict(line.split("=", 1) for line in out.splitlines() if "=" in line)
    at_boot, now = state.get("UnitFileState", ""), state.get("ActiveState", "")
    if at_boot != "enabled":
        changes.append({"target": f"{UNIT} at boot", "before": at_boot or "absent", "after": "enabled"})
    if switches and driver and driver_seen.loaded_version() == driver and now != "active":
        changes.append({"target": UNIT, "before": now or "absent", "after": "started"})
    return changes


def carry_out(name, driver, switches):
    """Install that version, enable it, start it where the driver is loaded. Raises AptError."""
    if driver_seen.upstream(driver_seen.single_version(name)) != driver:
        fits = [version for version in available(name) if driver_seen.upstream(version) == driver]
        if not fits:
            update()
            fits = [version for version in available(name) if driver_seen.upstream(version) == driver]
        if not fits:
            raise AptError(f"apt offers no {name} of the driver's version {driver}; another one would not start. "
                           f"It offers: {', '.join(available(name)[:5]) or 'none'}")
        install([f"{name}={fits[0]}"], "--allow-downgrades")
    verbs = ["enable", "restart"] if switches and driver_seen.loaded_version() == driver else ["enable"]
    for verb in verbs:
        code, out, err = run("systemctl", verb, UNIT)
        if code:
            raise AptError(f"systemctl {verb} {UNIT}: {(out + err).strip()}")


def answer(asked, switches, check_mode):
    """Make the fabric manager what the driver needs; return the changes. Raises Refusal, AptError."""
    have = driver_seen.seen_packages(asked["distribution"], asked["version"])
    source = asked["driver_source"] or have.source
    if source == "debian":
        raise AptError("this machine has NVSwitches, and Debian has no fabric manager: CUDA would not start. "
                       "Set gpu.driver.source: nvidia")
    if not have.version and not source:
        raise AptError("no NVIDIA driver is installed, so the fabric manager's version is not known: "
                       "enable gpu.driver, or install the driver first")
    name = package_name(source, asked["branch"] or have.branch)
    changes = planned(name, have.version, asked["driver_moves"] and check_mode, switches)
    work = gpu_work() if changes and not asked["allow_disruption"] else []
    if work:
        raise Refusal(f"the fabric manager has to change while a GPU is at work: {'; '.join(work)}. "
                      "Wait for it to finish, or repeat with --allow-disruption")
    if changes and not check_mode:
        carry_out(name, have.version, switches)
    return changes


def main():
    """Look, plan, and, unless in check mode, carry out."""
    module = AnsibleModule(
        argument_spec={
            "needed": {"type": "str", "default": "auto", "choices": ["auto", "always"]},
            "branch": {"type": "str"},
            "distribution": {"type": "str", "required": True},
            "version": {"type": "str", "required": True},
            "driver_moves": {"type": "bool", "default": False},
            "driver_source": {"type": "str", "default": ""},
            "vendor_managed": {"type": "bool", "default": False},
            "allow_disruption": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    asked = module.params
    switches = driver_seen.nvswitches()
    if not switches and asked["needed"] == "auto":
        module.exit_json(changed=False, changes=[])
    here = driver_seen.single_version("nvidia-fabricmanager") or "not from package nvidia-fabricmanager"
    note = vendor.vendor_note("the fabric manager", here, asked["vendor_managed"])
    if note is not None:
        module.exit_json(changed=False, changes=[], notes=[note])
    try:
        changes = answer(asked, switches, module.check_mode)
    except Refusal as error:
        module.fail_json(msg=str(error), refused=True)
    except AptError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(changes), changes=changes)


if __name__ == "__main__":
    main()
