#!/usr/bin/python
"""A CDI specification that fits the NVIDIA driver that is loaded."""

from __future__ import annotations

import glob
import os
import re
import shutil

from ansible.module_utils.atomic import read_text
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.engine import run

DOCUMENTATION = r"""
module: cdi_spec
short_description: CDI specification of the loaded NVIDIA driver
description:
  - Without a loaded driver nothing is done, and the reason is given.
  - From 1.18 on the toolkit's own nvidia-cdi-refresh.service writes it; before, nvidia-ctk is asked.
options:
  renewed: {type: bool, default: false, description: The packages are (or would be) new in this run.}
"""

EXAMPLES = r"""
- name: Keep the CDI specification in step with the driver
  cdi_spec: {}
"""

RETURN = r"""
changes: {description: "What changed: target, before, after.", returned: success, type: list}
reason: {description: Why nothing was to be done., returned: when there is no driver or no toolkit, type: str}
"""

DRIVER = "/proc/driver/nvidia/version"
REFRESH = "nvidia-cdi-refresh.service"
OURS = "/etc/cdi/nvidia.yaml"
FOLDERS = ("/etc/cdi", "/var/run/cdi")


def loaded_driver(text):
    """Return the version in /proc/driver/nvidia/version, "" for none."""
    found = re.search(r"^NVRM version:.*?\s(\d{3}\.\d+(?:\.\d+)?)\s", text or "", re.MULTILINE)
    return found[1] if found else ""


def spec_drivers():
    """Return the driver versions that the NVIDIA specifications speak of."""
    found = set()
    for path in (path for folder in FOLDERS for path in sorted(glob.glob(f"{folder}/*nvidia*"))):
        found |= set(re.findall(r"\.so\.(\d{3}\.\d+(?:\.\d+)?)\b", read_text(path) or ""))
    return found


def has_refresh():
    """Return whether the toolkit brings its own refresh unit."""
    folders = ("/usr/lib/systemd/system", "/lib/systemd/system", "/etc/systemd/system")
    return any(os.path.exists(f"{folder}/{REFRESH}") for folder in folders)


def generate():
    """Write the specification; return what went wrong, or ""."""
    if has_refresh():
        code, _, err = run("systemctl", "restart", REFRESH, timeout_s=120)
        return "" if code == 0 else f"{REFRESH} failed: {err.strip()}"
    os.makedirs(os.path.dirname(OURS), mode=0o755, exist_ok=True)
    code, _, err = run("nvidia-ctk", "cdi", "generate", f"--output={OURS}", timeout_s=120)
    return "" if code == 0 else f"nvidia-ctk cdi generate failed: {err.strip()}"


def main():
    """Compare the specification with the driver, renew it, and answer."""
    spec = {"renewed": {"type": "bool", "default": False}}
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    driver, renewed = loaded_driver(read_text(DRIVER)), module.params["renewed"]
    if not driver:
        module.exit_json(changed=False, changes=[], reason="no NVIDIA driver is loaded: nothing to describe")
    if not renewed and not shutil.which("nvidia-ctk"):
        module.exit_json(changed=False, changes=[], reason="nvidia-ctk is not installed")
    seen = spec_drivers()
    if seen == {driver} and not renewed:
        module.exit_json(changed=False, changes=[])
    before = f"driver {', '.join(sorted(seen))}" if seen else "absent"
    changes = [{"target": "CDI specification", "before": before, "after": f"driver {driver}"}]
    problem = "" if module.check_mode else generate()
    if problem:
        module.fail_json(msg=problem)
    if not module.check_mode and driver not in spec_drivers():
        module.fail_json(msg=f"the new CDI specification does not speak of driver {driver}")
    module.exit_json(changed=True, changes=changes)


if __name__ == "__main__":
    main()
