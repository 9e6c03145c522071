#!/usr/bin/python
"""Start, stop, restart, enable a systemd unit; true in check mode also for units that do not exist yet."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.systemd_units import refuse_if_reload_disturbs, reload_systemd, run, show

DOCUMENTATION = r"""
module: unit
short_description: State of one systemd unit
description:
  - Starts, stops, restarts, reloads, enables or disables one unit.
  - In check mode a unit that does not exist yet is reported as the change it will be.
  - Refuses what would disturb GPU work or containers unless I(allow_disruption).
options:
  name:
    description: The unit, with its suffix. May be left out when only I(daemon_reload) is wanted.
    type: str
  state:
    description: restarted and reloaded are always a change.
    type: str
    choices: [started, stopped, restarted, reloaded]
  enabled:
    description: Whether the unit starts at boot.
    type: bool
  daemon_reload:
    description:
      - true reloads systemd and reports it; give C(files is changed).
      - false reloads only when the unit's files changed on disk (an earlier run was interrupted).
      - Left out, systemd is never reloaded.
    type: bool
  allow_disruption:
    description: Go on although GPU work or containers are running.
    type: bool
    default: false
  disturbs:
    description: What stopping, restarting or reloading this unit disturbs.
    type: str
    choices: [none, containers, gpu]
    default: none
"""
EXAMPLES = r"""
- name: Restart Docker
  unit:
    name: docker.service
    state: restarted
    disturbs: containers
    allow_disruption: "{{ firstlight_allow_disruption }}"
"""
RETURN = r"""
changes:
  description: What was (or would be) changed, as target, before, after.
  returned: always
  type: list
"""
PROPERTIES = ["LoadState", "ActiveState", "UnitFileState", "NeedDaemonReload"]
ENABLED = {"enabled", "static", "indirect", "alias", "generated", "linked", "enabled-runtime"}
RUNNING = {"active", "activating", "reloading", "refreshing"}


def plan_changes(params: dict[str, Any], seen: dict[str, str]) -> list[tuple[str, dict[str, str]]]:
    """Return (verb of systemctl, change) in the order they are made; `seen` are the unit's properties."""
    steps = []
    name, wanted = params["name"], params["state"]
    reload_asked = params["daemon_reload"]
    if reload_asked or (reload_asked is False and seen.get("NeedDaemonReload") == "yes"):
        after = {"target": "systemd", "before": "older unit files", "after": "daemon-reload"}
        steps.append(("daemon-reload", after))
    if params["enabled"] is not None:
        is_enabled = seen.get("UnitFileState", "") in ENABLED
        if is_enabled != params["enabled"] and seen.get("UnitFileState") != "static":
            after = "enabled" if params["enabled"] else "disabled"
            change = {
                "target": f"{name} at boot",
                "before": seen.get("UnitFileState") or "absent",
                "after": after,
            }
            steps.append(("enable" if params["enabled"] else "disable", change))
    is_running = seen.get("ActiveState") in RUNNING
    verb = {
        "started": "" if is_running else "start",
        "stopped": "stop" if is_running else "",
        "restarted": "restart",
        "reloaded": "reload-or-restart",
        None: "",
    }[wanted]
    if verb:
        steps.append(
            (verb, {"target": name, "before": seen.get("ActiveState") or "absent", "after": wanted})
        )
    return steps


def refuse_disturbance(module: AnsibleModule, verbs: set[str]) -> None:
    """Fail the module (refused) when one of `verbs` would disturb running work."""
    params = module.params
    if params["allow_disruption"]:
        return
    if "daemon-reload" in verbs:
        refuse_if_reload_disturbs(module)
    if params["disturbs"] == "none" or not verbs & {"stop", "restart", "reload-or-restart"}:
        return
    from ansible.module_utils.busy import (
        gpu_work,
        running_containers,
    )  # only when asked: looks at every process

    found = running_containers() if params["disturbs"] == "containers" else gpu_work()
    if found:
        module.fail_json(
            refused=True,
            msg=f"{params['name']} must be {params['state']}, which would disturb: "
            f"{'; '.join(found)}. Wait for them to finish, or repeat with --allow-disruption.",
        )


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str"},
            "state": {"type": "str", "choices": ["started", "stopped", "restarted", "reloaded"]},
            "enabled": {"type": "bool"},
            "daemon_reload": {"type": "bool"},
            "allow_disruption": {"type": "bool", "default": False},
            "disturbs": {"type": "str", "choices": ["none", "containers", "gpu"], "default": "none"},
        },
        supports_check_mode=True,
        required_one_of=[("name", "daemon_reload")],
        required_by={"state": "name", "enabled": "name"},
    )
    name = module.params["name"]
    seen = show(module, name, PROPERTIES) if name else {}
    if seen.get("LoadState") == "masked" and (
        module.params["enabled"] or module.params["state"] == "started"
    ):
        module.fail_json(
            msg=f"{name} is masked: somebody switched it off on purpose. "
            f"`systemctl unmask {name}` allows it again."
        )
    steps = plan_changes(module.params, seen)
    refuse_disturbance(module, {verb for verb, _ in steps})
    changes = [change for _, change in steps]
    if not module.check_mode:
        for verb, _ in steps:
            if verb == "daemon-reload":
                reload_systemd(module)
            else:
                run(module, ["systemctl", verb, "--", name])
    module.exit_json(changed=bool(changes), changes=changes)


if __name__ == "__main__":
    main()
