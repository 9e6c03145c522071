#!/usr/bin/python
"""Add users to a group that may not exist yet."""

from __future__ import annotations

import grp
import pwd

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: group_members
short_description: Users that must be members of a group
description:
  - Adds, never removes. In check mode a group that does not exist yet is taken for one that will.
options:
  group: {type: str, required: true, description: The group.}
  users: {type: list, elements: str, required: true, description: Login names; each must exist.}
"""

EXAMPLES = r"""
- name: Let the login user use Docker
  group_members: {group: docker, users: [ada]}
"""

RETURN = r"""
changes: {description: "What changed: target, before, after.", returned: success, type: list}
"""

def find_account(name):
    """Return the passwd entry of a login name, None when there is none."""
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def find_group(name):
    """Return the group entry, None when there is none."""
    try:
        return grp.getgrnam(name)
    except KeyError:
        return None


def main():
    """Add whoever is missing."""
    module = AnsibleModule(
        argument_spec={
            "group": {"type": "str", "required": True},
            "users": {"type": "list", "elements": "str", "required": True},
        },
        supports_check_mode=True,
    )
    name, users = module.params["group"], list(dict.fromkeys(module.params["users"]))
    accounts = {user: find_account(user) for user in users}
    unknown = [user for user, account in accounts.items() if account is None]
    if unknown:
        module.fail_json(msg=f"no such user: {', '.join(unknown)}; correct the profile or create the account")
    group = find_group(name)
    if group is None and not module.check_mode:
        module.fail_json(msg=f"no such group: {name}")
    missing = [user for user in users
               if group is None or (user not in group.gr_mem and accounts[user].pw_gid != group.gr_gid)]
    for user in missing if not module.check_mode else []:
        module.run_command(["usermod", "--append", "--groups", name, user], check_rc=True)
    changes = [{"target": f"group {name}: {user}", "before": "not a member", "after": "member"}
               for user in missing]
    module.exit_json(changed=bool(changes), changes=changes)


if __name__ == "__main__":
    main()
