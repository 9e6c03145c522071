#!/usr/bin/python
"""Open files and locked memory: for logins through PAM, for services through systemd."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.dropins import Setting, ini_settings, overridden, read_after, text_of
from ansible.module_utils.owned_files import HEADER, differences, planned, read_all, write_all
from ansible.module_utils.systemd_units import refuse_if_reload_disturbs, reload_systemd, show

DOCUMENTATION = r"""
module: limits_files
short_description: Limits of open files and locked memory
description:
  - Writes drop-ins of our own for pam_limits and for systemd's system and user managers, and reloads systemd.
  - A file that is read later and says otherwise is answered by zz-firstlight.conf, which is read last.
  - Services keep their limits until they are started again.
options:
  nofile:
    description: Soft and hard limit of open files; at most fs.nr_open.
    type: int
    required: true
  memlock:
    description: KiB, or unlimited; left out, it is left alone.
    type: str
  nr_open_planned:
    description: In check mode, the fs.nr_open that an earlier role of the same run will have set.
    type: int
    default: 0
  allow_disruption:
    description: Reload systemd although containers use a GPU.
    type: bool
    default: false
"""
EXAMPLES = r"""
- name: Raise limits
  limits_files:
    nofile: 1000000
"""
RETURN = r"""
changes:
  description: What was (or would be) changed, as target, before, after.
  returned: always
  type: list
"""
PAM = "/etc/security/limits.d"
MANAGERS = {"system": "/etc/systemd/system.conf.d", "user": "/etc/systemd/user.conf.d"}
OURS, LAST = "60-firstlight.conf", "zz-firstlight.conf"


def pam_values(nofile: int, memlock: str | None) -> dict[str, str]:
    """Return what limits.d must say, as {"* soft nofile": "1000000"}; * does not mean root to pam_limits."""
    items = {"nofile": str(nofile)} | ({"memlock": memlock} if memlock else {})
    return {
        f"{who} {kind} {item}": value
        for item, value in items.items()
        for who in ("*", "root")
        for kind in ("soft", "hard")
    }


def systemd_values(nofile: int, memlock: str | None) -> dict[str, str]:
    """Return what a manager's [Manager] section must say."""
    found = {"DefaultLimitNOFILE": f"{nofile}:{nofile}"}
    if memlock:
        found["DefaultLimitMEMLOCK"] = "infinity" if memlock == "unlimited" else f"{memlock}K"
    return found


def pam_settings(path: str, text: str) -> list[Setting]:
    """Return the assignments in a limits.d file; a `-` counts as soft and hard. Source: limits.conf(5)."""
    found = []
    for number, raw in enumerate(text.splitlines(), 1):
        fields = raw.split("#", 1)[0].split()
        if len(fields) != 4:
            continue
        who, kind, item, value = fields
        kinds = ("soft", "hard") if kind == "-" else (kind,)
        found += [Setting(path, number, f"{who} {one} {item}", value) for one in kinds]
    return found


def same_limit(one: str, other: str) -> bool:
    """Return whether two limits mean the same number."""
    words = [{"unlimited": "-1", "infinity": "-1"}.get(value, value) for value in (one, other)]
    return words[0] == words[1]


def same_default(one: str, other: str) -> bool:
    """Return whether two DefaultLimit values mean the same; `N` is `N:N`."""
    pairs = [value if ":" in value else f"{value}:{value}" for value in (one, other)]
    return pairs[0] == pairs[1]


def pam_text(values: dict[str, str], notes: list[str]) -> str:
    """Return the text of a limits.d file."""
    lines = [f"{key.replace(' ', chr(9))}\t{value}" for key, value in values.items()]
    return HEADER + "".join(f"# {note}\n" for note in notes) + "\n".join(lines) + "\n"


def manager_text(values: dict[str, str], notes: list[str]) -> str:
    """Return the text of a systemd manager's drop-in."""
    lines = [f"{key}={value}" for key, value in values.items()]
    return HEADER + "".join(f"# {note}\n" for note in notes) + "\n".join(["[Manager]", *lines]) + "\n"


def family(
    folders: list[str], values: dict[str, str], read: Any, same: Any, render: Any
) -> dict[str, str | None]:
    """Return the wanted text of our two files (60-, zz-) in one drop-in family. Raises OSError."""
    ours, last = f"{folders[0]}/{OURS}", f"{folders[0]}/{LAST}"
    later = [
        item for path in read_after(folders, ours, ignored=last) for item in read(path, text_of(path))
    ]
    lost = overridden(later, values, same)
    notes = [f"{item.path}:{item.line} says {item.key} = {item.value}" for item in lost.values()]
    again = {key: values[key] for key in values if key in lost}
    return {ours: render(values, []), last: render(again, notes) if again else None}


def wanted_files(nofile: int, memlock: str | None) -> dict[str, str | None]:
    """Return the wanted text of every file of ours, None for one that must not exist. Raises OSError."""
    files = family([PAM], pam_values(nofile, memlock), pam_settings, same_limit, pam_text)
    for name, folder in MANAGERS.items():
        folders = [
            folder,
            *(f"{root}/systemd/{name}.conf.d" for root in ("/run", "/usr/local/lib", "/usr/lib")),
        ]
        files |= family(
            folders,
            systemd_values(nofile, memlock),
            lambda path, text: ini_settings(path, text, "Manager"),
            same_default,
            manager_text,
        )
    return files


def refuse_above_nr_open(module: AnsibleModule) -> None:
    """Fail the module when the kernel would refuse the limit: then nobody could log in."""
    now = int(Path("/proc/sys/fs/nr_open").read_text("ascii"))
    most = max(now, module.params["nr_open_planned"]) if module.check_mode else now
    if module.params["nofile"] > most:
        module.fail_json(
            refused=True,
            msg=f"{module.params['nofile']} open files are more than fs.nr_open = {now} "
            "allows: logins and services would fail. Raise kernel.sysctl.floors fs.nr_open in the "
            "profile (role sysctl sets it first), or lower system.limits.nofile.",
        )


def defaults(module: AnsibleModule) -> str:
    """Return systemd's default limit of open files as soft:hard."""
    seen = show(module, "", ["DefaultLimitNOFILE", "DefaultLimitNOFILESoft"])
    return f"{seen.get('DefaultLimitNOFILESoft')}:{seen.get('DefaultLimitNOFILE')}"


def put_in_force(module: AnsibleModule, wanted: str) -> None:
    """Reload systemd; fails the module when it then holds other defaults than `wanted` (soft:hard)."""
    reload_systemd(module)
    kept = defaults(module)
    if kept != wanted:
        module.fail_json(
            msg=f"systemd keeps {kept} open files after a reload; `systemd-analyze cat-config "
            "systemd/system.conf` shows which file says so."
        )


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "nofile": {"type": "int", "required": True},
            "memlock": {"type": "str"},
            "nr_open_planned": {"type": "int", "default": 0},
            "allow_disruption": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    refuse_above_nr_open(module)
    nofile = module.params["nofile"]
    try:
        wanted = wanted_files(nofile, module.params["memlock"])
    except OSError as error:
        module.fail_json(msg=f"{error.filename} cannot be read: {error.strerror}. Nothing was changed.")
    found = read_all(module, list(wanted))
    changes = planned(found, wanted)
    now, both = defaults(module), f"{nofile}:{nofile}"
    must_reload = now != both or any(change["target"].startswith("/etc/systemd") for change in changes)
    if must_reload:
        refuse_if_reload_disturbs(module)
        after = f"default {both} open files"
        changes.append({"target": "systemd", "before": f"default {now} open files", "after": after})
    if not module.check_mode:
        write_all(module, found, wanted)
        if must_reload:
            put_in_force(module, both)
    module.exit_json(changed=bool(changes), changes=changes, diff=differences(found, wanted))


if __name__ == "__main__":
    main()
