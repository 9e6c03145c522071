#!/usr/bin/python
"""Merge values into Docker's daemon.json and bring them into force."""

from __future__ import annotations

import shutil

from ansible.module_utils import daemon_file
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.busy import running_containers
from ansible.module_utils.engine import (
    RELOADABLE,
    UNIT,
    flag_keys,
    flag_place,
    not_in_force,
    seen_engine,
    survives_restart,
)
from ansible.module_utils.merge import differences, merged, rendered, shown

DOCUMENTATION = r"""
module: daemon_json
short_description: Merge values into daemon.json, key by key, and bring them into force
description:
  - Keys that are not named stay as they are, in their order. The file is validated before it is replaced.
  - The engine is reloaded (or restarted where a key needs it) and asked whether the values are in force.
    When it does not come back, the file of before is put back.
  - A restart is refused while containers run, unless live-restore is in force.
  - A file that is not valid JSON is replaced from the copy kept at the last success, and kept beside it.
options:
  path: {type: path, default: /etc/docker/daemon.json, description: The file.}
  state_folder: {type: path, default: /var/lib/firstlight, description: Where the last good copy is kept.}
  values: {type: dict, default: {}, description: "What must stand there; objects merged, lists extended."}
  runtimes:
    type: dict
    default: {}
    description: Runtimes by name; one that exists and can be executed keeps its path and arguments.
  settled:
    type: bool
    default: false
    description: A task before this one in the same run has repaired the file and caught up with the engine.
  allow_disruption: {type: bool, default: false, description: Restart even while containers run.}
"""

EXAMPLES = r"""
- name: Merge our values into daemon.json
  daemon_json:
    values: {log-driver: json-file, log-opts: {max-size: 50m, max-file: "3"}}
"""

RETURN = r"""
changes: {description: "What changed: target, before, after.", returned: success, type: list}
action: {description: "What the engine was asked for: reload, restart or ''.", returned: success, type: str}
"""

def wanted_config(theirs, values, runtimes):
    """Return their object with our values and those runtimes that they do not have in working order."""
    known = theirs.get("runtimes") if isinstance(theirs.get("runtimes"), dict) else {}
    missing = {name: body for name, body in runtimes.items() if not works(known.get(name))}
    ours = merged(values, {"runtimes": missing}) if missing else values
    return merged(theirs, ours)


def works(runtime):
    """Return whether a runtimes entry names a shim type or a program that can be executed."""
    if not isinstance(runtime, dict):
        return False
    return bool(runtime.get("runtimeType")) or bool(shutil.which(str(runtime.get("path", ""))))


def conflicts(engine, config):
    """Return one sentence per key that stands both in the file and on dockerd's command line."""
    flags = flag_keys(engine.arguments)
    return [f"{key!r} is given by {flag_place(engine, flags[key])} as {flags[key]}"
            for key in config if key in flags]


def changed_keys(file, engine, after):
    """Return the top-level keys that the running engine does not have yet.

    What needs a restart is compared with the last good copy where the engine has run since before that copy
    was made: a key that was only taken out of the file is still in force.
    """
    keys = {key[0] for key, _, _ in differences(file.config, after)}
    if file.good is not None and 0 < engine.started < file.good_time:
        new = {key[0] for key, _, _ in differences(file.good, after)}
        keys = {key for key in keys if key in RELOADABLE} | {key for key in new if key not in RELOADABLE}
    if 0 < engine.major < 25:
        keys.discard("features")  # engines before 25 have no feature that a running engine must learn
    return keys


def action_for(keys, engine, pending):
    """Return "", "reload" or "restart": what brings these top-level keys into force."""
    if not engine.running or not (keys or pending):
        return ""
    return "restart" if keys - set(RELOADABLE) or pending == "restart" else "reload"


def refusal(engine, config, action, path, allow_disruption):
    """Return why this must not be done, or ""."""
    if engine.snap:
        return (f"Docker is installed as a snap, which does not read {path} and which the NVIDIA Container "
                "Toolkit cannot use; save its data, then run: snap remove docker")
    twice = conflicts(engine, config)
    if twice:
        return (f"dockerd will not start with a key both in {path} and on its command line: "
                f"{'; '.join(twice)}. Remove one of the two")
    if action == "restart" and not allow_disruption and not survives_restart(engine, config):
        busy = running_containers()
        if busy:
            return ("docker.service must be restarted, which stops its containers: " + "; ".join(busy)
                    + ". Stop them first, or allow disruption")
    return ""


def main():
    """Read, merge, judge; unless in check mode also write, reload or restart, and verify."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "default": "/etc/docker/daemon.json"},
            "state_folder": {"type": "path", "default": "/var/lib/firstlight"},
            "values": {"type": "dict", "default": {}},
            "runtimes": {"type": "dict", "default": {}},
            "settled": {"type": "bool", "default": False},
            "allow_disruption": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    try:
        file = daemon_file.load(module.params["path"], module.params["state_folder"])
    except daemon_file.UnusableFileError as error:
        module.fail_json(msg=str(error), refused=True)
    merge_into(module, file)


def merge_into(module, file):
    """Find the changes, refuse or make them, and answer."""
    asked, engine, path = module.params, seen_engine(), module.params["path"]
    settled = asked["settled"] and module.check_mode
    after = wanted_config(file.config, asked["values"], asked["runtimes"])
    rewrite = after != file.config or (file.broken and not settled)
    text = rendered(after, like=file.text) if rewrite else file.text
    ours = {key: after[key] for key in asked["values"]} | {"runtimes": asked["runtimes"]}
    standing = {key: value for key, value in ours.items() if file.config.get(key) == after.get(key)}
    stale = [] if file.broken or settled else not_in_force(standing, engine.info)
    pending = "" if settled else file.pending
    action = action_for(changed_keys(file, engine, after) | {key for key, _, _ in stale}, engine, pending)
    changes = listed_changes(file, after, "" if settled else file.broken, path)
    if not changes and action:
        seen = "; ".join(f"{key} is {old}" for key, _, old in stale) or "older settings than its file"
        changes.append({"target": UNIT, "before": seen, "after": f"{action}ed"})
    why = refusal(engine, after, action if changes else "", path, asked["allow_disruption"])
    if not why and engine.dockerd and rewrite:
        why = daemon_file.validation_error(engine.dockerd, text, path)
    if why:
        module.fail_json(msg=why, refused=True)
    if not module.check_mode:
        try:
            daemon_file.apply(file, text, ours, action if changes else "")
        except daemon_file.UnusableFileError as error:
            module.fail_json(msg=str(error))
    diff = [{"before": file.text, "after": text, "before_header": path, "after_header": path}]
    module.exit_json(changed=bool(changes), changes=changes, action=action, diff=diff if changes else [])


def listed_changes(file, after, broken, path):
    """Return the changes to the file, one per key."""
    repair = [{"target": path, "before": f"not valid JSON ({broken})", "after": "the last good copy"}]
    return (repair if broken else []) + [
        {"target": f"{path} {'.'.join(key)}", "before": shown(old), "after": shown(new)}
        for key, old, new in differences(file.config, after)]


if __name__ == "__main__":
    main()
