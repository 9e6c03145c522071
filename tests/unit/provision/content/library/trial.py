#!/usr/bin/python
"""A module for tests: makes two named changes, refuses, fails, is denied, takes its time, or tells how far it is."""

from __future__ import annotations

import os
import time

from ansible.module_utils.basic import AnsibleModule


def main():
    module = AnsibleModule({"mode": {"required": True}, "folder": {"type": "path", "required": True}},
                           supports_check_mode=True)
    mode, folder = module.params["mode"], module.params["folder"]
    if mode == "refuse":
        module.fail_json(msg="sdb is not blank: it holds an ext4 filesystem", refused=True)
    if mode == "fail":
        module.fail_json(msg="it broke")
    if mode == "denied":
        module.fail_json(msg="/dev/sdb: Permission denied")
    if mode == "slow" and not module.check_mode:
        with open(os.path.join(folder, "slow-began"), "w") as stream:
            stream.write(str(os.getpid()))
        time.sleep(float(os.environ.get("TRIAL_S", "2.5")))
    if mode == "tells" and not module.check_mode:
        for far in ("1.0 GB of 2.0 GB", "2.0 GB of 2.0 GB"):
            with open(os.environ["FIRSTLIGHT_FAR"], "w") as stream:
                stream.write(far)
            time.sleep(2)
    path = os.path.join(folder, "trial")
    if os.path.exists(path):
        module.exit_json(changed=False, changes=[])
    if not module.check_mode:
        with open(path, "w") as stream:
            stream.write("done\n")
    module.exit_json(changed=True, reboot_required=mode == "reboot", changes=[
        {"target": path, "before": "absent", "after": "file"},
        {"target": "unit trial", "before": "stopped", "after": "started"},
    ])


if __name__ == "__main__":
    main()
