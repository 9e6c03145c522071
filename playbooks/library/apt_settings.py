#!/usr/bin/python
"""Settings of apt and unattended-upgrades in one drop-in of our own."""

from __future__ import annotations

import os
import re

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.owned_files import differences, planned, read_all, write_all

DOCUMENTATION = r"""
module: apt_settings
short_description: Lock timeout and packages that unattended-upgrades leaves alone
options:
  lock_timeout_s:
    description: How long apt waits for its locks, in seconds.
    type: int
    required: true
  upgrade_blacklist:
    description: Regular expressions, matched from a name's start, of packages that must not move.
    type: list
    elements: str
    default: []
  path:
    description: The drop-in.
    type: path
    default: /etc/apt/apt.conf.d/60-firstlight
"""
EXAMPLES = r"""
- name: Keep the driver still
  apt_settings:
    lock_timeout_s: 600
    upgrade_blacklist: [nvidia-, libnvidia-]
"""
RETURN = r"""
changes:
  description: What was (or would be) changed, as target, before, after.
  returned: always
  type: list
"""
HEADER = "// Written by Firstlight. Edit the profile instead: changes made here are overwritten.\n"
# A file of the machine's that is broken already says nothing about ours.
ALONE = 'Dir::Etc::parts "/dev/null";\nDir::Etc::main "/dev/null";\n'


def render(lock_timeout_s: int, blacklist: list[str]) -> str:
    """Return the text of the drop-in; the list adds to those of other files."""
    text = f'{HEADER}DPkg::Lock::Timeout "{lock_timeout_s}";\n'
    if blacklist:
        entries = "".join(f'  "{entry}";\n' for entry in blacklist)
        text += f"Unattended-Upgrade::Package-Blacklist {{\n{entries}}};\n"
    return text


def entry_error(entry: str) -> str:
    """Return why an entry cannot stand in an apt configuration file or is no regular expression, or ""."""
    if not entry or '"' in entry or any(ord(letter) < 32 for letter in entry):
        return f"{entry!r}: quotes, control characters and empty entries are not allowed"
    try:
        re.compile(entry)
    except re.error as error:
        return f"{entry!r} is not a regular expression: {error}"
    return ""


def check_syntax(module: AnsibleModule, text: str) -> None:
    """Fail the module when apt cannot read the text: a broken file here stops every apt command."""
    trial = os.path.join(module.tmpdir, "apt.conf")
    with open(trial, "w", encoding="utf-8") as stream:
        stream.write(ALONE + text)
    code, _, err = module.run_command(["apt-config", "dump"], environ_update={"APT_CONFIG": trial})
    if code != 0:
        module.fail_json(
            msg=f"apt cannot read what {module.params['path']} would say: {err.strip()}. "
            "Nothing was changed."
        )


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "lock_timeout_s": {"type": "int", "required": True},
            "upgrade_blacklist": {"type": "list", "elements": "str", "default": []},
            "path": {"type": "path", "default": "/etc/apt/apt.conf.d/60-firstlight"},
        },
        supports_check_mode=True,
    )
    params = module.params
    errors = [error for error in map(entry_error, params["upgrade_blacklist"]) if error]
    if errors:
        module.fail_json(msg=f"system.base.upgrade_blacklist: {'; '.join(errors)}. Nothing was changed.")
    wanted: dict[str, str | None] = {
        params["path"]: render(params["lock_timeout_s"], params["upgrade_blacklist"])
    }
    found = read_all(module, list(wanted))
    changes = planned(found, wanted)
    if changes:
        check_syntax(module, wanted[params["path"]] or "")
    if not module.check_mode:
        write_all(module, found, wanted)
    module.exit_json(changed=bool(changes), changes=changes, diff=differences(found, wanted))


if __name__ == "__main__":
    main()
