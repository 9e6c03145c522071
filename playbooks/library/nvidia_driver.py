#!/usr/bin/python
"""The NVIDIA driver of one branch, ready for the kernel that runs and the one that the next boot takes."""

from __future__ import annotations

from ansible.module_utils import driver_family, driver_seen, kernels, vendor
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.busy import gpu_work
from ansible.module_utils.debs import AptError
from ansible.module_utils.driver_steps import Refusal, carry_out, next_boot, planned
from ansible.module_utils.repository import UnreachableKeyError
from ansible.module_utils.secure_boot import PASSWORD, STEPS, StagingError

DOCUMENTATION = r"""
module: nvidia_driver
short_description: The NVIDIA driver of one branch
description:
  - Packages of one of three families (NVIDIA's repository, Debian's non-free, Ubuntu's restricted), never mixed.
  - The branch is pinned before the driver is installed; headers follow the kernels that are installed.
  - A driver that is there and fits is kept, wherever it came from.
  - Refuses while a GPU is at work unless I(allow_disruption). Changes nothing on a vendor's system.
options:
  branch: {type: str, description: "Like 580; empty = any."}
  flavour: {type: str, default: auto, choices: [auto, open, proprietary], description: Kind of kernel module.}
  source: {type: str, default: auto, choices: [auto, vendor, distribution, nvidia], description: Where from.}
  variant: {type: str, default: auto, choices: [auto, full, compute], description: With or without graphics.}
  persistence: {type: bool, default: true, description: Whether nvidia-persistenced starts at boot.}
  repository: {type: str, required: true, description: Folder above NVIDIA's repositories.}
  repository_key: {type: str, default: "", description: Address of its key; empty = NVIDIA's own.}
  distribution: {type: str, required: true, description: debian or ubuntu.}
  version: {type: str, required: true, description: "Its release, like 12 or 24.04."}
  codename: {type: str, required: true, description: "Its name, like bookworm."}
  architecture: {type: str, required: true, description: As uname says it.}
  kernel: {type: str, required: true, description: The running kernel's release.}
  gpus: {type: list, elements: str, default: [], description: PCI device ids of the cards.}
  vendor_managed: {type: bool, default: false, description: The profile leaves the driver to the vendor.}
  allow_disruption: {type: bool, default: false, description: Go on although a GPU is at work.}
"""
EXAMPLES = r"""
- name: Install the driver
  nvidia_driver:
    branch: "580"
    repository: https://developer.download.nvidia.com/compute/cuda/repos
    distribution: debian
    version: "12"
    codename: bookworm
    architecture: x86_64
    kernel: 6.1.0-42-amd64
"""
RETURN = r"""
changes: {description: "What changed: target, before, after.", returned: success, type: list}
notes: {description: What a person should know., returned: success, type: list}
reboot_required: {description: Whether the driver in force is not the one on disk., returned: success, type: bool}
"""


def main():
    """Look, plan, and, unless in check mode, carry out."""
    module = AnsibleModule(
        argument_spec={
            "branch": {"type": "str"},
            "flavour": {"type": "str", "default": "auto", "choices": ["auto", "open", "proprietary"]},
            "source": {"type": "str", "default": "auto",
                       "choices": ["auto", "vendor", "distribution", "nvidia"]},
            "variant": {"type": "str", "default": "auto", "choices": ["auto", "full", "compute"]},
            "persistence": {"type": "bool", "default": True},
            "repository": {"type": "str", "required": True},
            "repository_key": {"type": "str", "default": "", "no_log": False},
            **{name: {"type": "str", "required": True}
               for name in ("distribution", "version", "codename", "architecture", "kernel")},
            "gpus": {"type": "list", "elements": "str", "default": []},
            "vendor_managed": {"type": "bool", "default": False},
            "allow_disruption": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    asked = module.params
    told = asked["vendor_managed"] or asked["source"] == "vendor"
    if (note := vendor.vendor_note("the driver", found_here(asked["kernel"]), told)) is not None:
        module.exit_json(changed=False, changes=[], notes=[note])
    try:
        answer(module, asked)
    except (driver_family.WishError, kernels.NoHeadersError, UnreachableKeyError, AptError, StagingError) as error:
        module.fail_json(msg=str(error))
    except Refusal as error:
        module.fail_json(msg=str(error), refused=True)


def answer(module, asked):
    """Make the driver what is asked and exit the module. Raises what its steps raise."""
    plan = planned(asked)
    work = gpu_work() if plan.missing and not asked["allow_disruption"] else []
    if work:
        raise Refusal(f"the driver has to change while a GPU is at work: {'; '.join(work)}. "
                      "Wait for it to finish, or repeat with --allow-disruption")
    if plan.changes and not module.check_mode:
        carry_out(plan, asked)
    needed, gate = next_boot(plan, asked)
    if gate and not module.check_mode:
        module.fail_json(msg=f"do not reboot yet, the driver would be missing: {'; '.join(gate)}")
    notes = [STEPS.format(password=PASSWORD)] if plan.staging else []
    facts = {
        "firstlight_nvidia_source": plan.family.source,
        "firstlight_nvidia_settled": " ".join(change["target"] for change in plan.changes),
        "firstlight_nvidia_moves": bool(plan.have.version) and bool(plan.missing),
    }
    module.exit_json(changed=bool(plan.changes), changes=plan.changes, notes=notes,
                     reboot_required=needed and not module.check_mode, ansible_facts=facts)


def found_here(running):
    """Return one phrase about the driver that is here, for a system whose vendor looks after it."""
    module = kernels.module_of(running)
    on_disk = kernels.module_field(module, "version") if module else ""
    loaded = driver_seen.loaded_version()
    parts = [f"loaded {loaded}" if loaded else "none loaded",
             f"on disk {on_disk} for kernel {running}" if on_disk else f"none on disk for kernel {running}"]
    return ", ".join(parts)


if __name__ == "__main__":
    main()
