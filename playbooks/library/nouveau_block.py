#!/usr/bin/python
"""Keeps nouveau off the cards, also in the first seconds of a boot; rebuilds initial disks only when needed."""

from __future__ import annotations

import os
import shutil

from ansible.module_utils import vendor
from ansible.module_utils.atomic import read_text, write_atomic
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.engine import run
from ansible.module_utils.owned_files import HEADER

DOCUMENTATION = r"""
module: nouveau_block
short_description: Keep the nouveau driver from loading
description:
  - Writes one file in modprobe.d and rebuilds those initial disks (initrd) that are older than it.
  - Changes nothing on a vendor's system.
options:
  path: {type: path, default: /etc/modprobe.d/60-firstlight-nouveau.conf, description: The file.}
  boot: {type: path, default: /boot, description: Where the initial disks are.}
  vendor_managed: {type: bool, default: false, description: The driver is the vendor's.}
"""
EXAMPLES = r"""
- name: Keep nouveau off
  nouveau_block:
"""
RETURN = r"""
changes: {description: "What changed: target, before, after.", returned: success, type: list}
"""
TEXT = HEADER + "blacklist nouveau\noptions nouveau modeset=0\n"


def stale_disks(path, boot, written):
    """Return the kernels whose initial disk does not have the file yet: older than it, or it is to be written."""
    since = float("inf") if written else os.stat(path).st_mtime
    names = sorted(os.listdir(boot)) if os.path.isdir(boot) else []
    found = [name.removeprefix("initrd.img-") for name in names if name.startswith("initrd.img-")]
    found = [release for release in found if not release.endswith((".old-dkms", ".bak", ".old", ".new"))]
    return [release for release in found if os.stat(f"{boot}/initrd.img-{release}").st_mtime < since]


def main():
    """Look, plan, and, unless in check mode, carry out."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "default": "/etc/modprobe.d/60-firstlight-nouveau.conf"},
            "boot": {"type": "path", "default": "/boot"},
            "vendor_managed": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    path, boot = module.params["path"], module.params["boot"]
    if module.params["vendor_managed"] or vendor.vendor_system():
        module.exit_json(changed=False, changes=[])
    before = read_text(path)
    written = before != TEXT
    changes = [{"target": path, "before": "absent" if before is None else "different",
                "after": "nouveau blocked"}] if written else []
    releases = stale_disks(path, boot, written) if shutil.which("update-initramfs", path="/usr/sbin:/sbin") else []
    changes += [{"target": f"{boot}/initrd.img-{release}", "before": "without the block", "after": "rebuilt"}
                for release in releases]
    diff = [{"before": before or "", "after": TEXT, "before_header": path, "after_header": path}] if written else []
    if not module.check_mode:
        if written:
            write_atomic(path, TEXT)
        for release in releases:
            code, out, err = run("update-initramfs", "-u", "-k", release, timeout_s=1800)
            if code:
                module.fail_json(msg=f"update-initramfs -u -k {release} ended with {code}: {(err or out).strip()}. "
                                     "Until it works, nouveau may hold the card after a boot")
    module.exit_json(changed=bool(changes), changes=changes, diff=diff)


if __name__ == "__main__":
    main()
