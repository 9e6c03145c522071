#!/usr/bin/python
"""Ansible module: XFS data disks, named by serial number or WWN, never formatted unless provably blank."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace

from ansible.module_utils import data_mount, disk_ledger, disk_making, disk_use, fstab
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.blockdev import Host, Refused, Unknown
from ansible.module_utils.disk_plan import Decision, Declared, decide_all, is_mounted

DOCUMENTATION = r"""
module: data_disk
short_description: Makes, mounts and keeps XFS data disks without ever losing a byte
description:
  - A blank disk gets an XFS filesystem. A disk whose filesystem, label and UUID stand in the ledger is mounted.
    Anything else is refused with what was seen. All disks are judged before the first one is touched.
options:
  disks:
    description: Serial and/or wwn, optional exact size in bytes, label, mount, options, optional adopt_uuid.
    type: list
    elements: dict
    required: true
  ledger:
    description: JSON file that remembers the filesystems made or adopted.
    type: path
    default: /var/lib/firstlight/disks.json
  fstab:
    description: The table of filesystems to keep.
    type: path
    default: /etc/fstab
author: The Firstlight engineers
"""
EXAMPLES = r"""
- name: Keep the data disks
  data_disk:
    disks:
      - {serial: S6XNNS0W123456, label: data, mount: /data, options: [noatime, logbsize=256k]}
"""
RETURN = r"""
changes:
  description: Target, before and after of everything that was (or in check mode would be) changed.
  type: list
  returned: success
refused:
  description: True when the disk was left alone for safety.
  type: bool
  returned: failure
"""

WORDS = {
    "make": ("blank", "XFS made"),
    "finish": ("half made by an interrupted run", "XFS made"),
    "adopt": ("not in the ledger", "in the ledger"),
}


@dataclass
class Result:
    """What Ansible is told: the changes in order, and the difference of fstab."""

    changes: list[dict[str, str]] = field(default_factory=list)
    diff: list[dict[str, str]] = field(default_factory=list)

    def add(self, target: str, before: str, after: str) -> None:
        """Append a change."""
        self.changes.append({"target": target, "before": before, "after": after})


def keep_filesystem(host: Host, decision: Decision, ledger: str, check: bool, result: Result) -> str:
    """Make or adopt the filesystem if need be; return its UUID ("" in check mode before it is made)."""
    disk, declared = decision.disk, decision.declared
    if decision.action == "use":
        return decision.uuid
    before, after = WORDS[decision.action]
    name = disk.serials[0] if disk.serials else disk.wwns[0]
    result.add(f"disk {name}", before, f"{after}, label {declared.label}")
    if check:
        return decision.uuid
    if decision.action == "adopt":
        entries = disk_ledger.load(ledger)
        old = entries.get(decision.uuid)
        fresh = disk_ledger.entry_for(disk, decision.uuid, declared.label, "ready", adopted=old is None)
        entries[decision.uuid] = replace(old, state="ready") if old else fresh
        disk_ledger.write(ledger, entries)
        return decision.uuid
    return disk_making.make(host, disk, declared.label, ledger, decision.uuid)


def keep_mount_point(decision: Decision, check: bool, result: Result) -> None:
    """Make the folder if it is missing."""
    mount = decision.declared.mount
    if data_mount.check_mount_point(mount, decision.disk):
        return
    result.add(mount, "absent", "folder")
    if not check:
        os.makedirs(mount, mode=0o755)


def keep_fstab(decision: Decision, uuid: str, path: str, check: bool, result: Result) -> str | None:
    """Bring the line in fstab up to date; return the text that stood there when it was changed, else None."""
    declared = decision.declared
    wanted = data_mount.entry(uuid or "(made by apply)", declared.mount, list(declared.options))
    old = data_mount.load_fstab(path)
    present = data_mount.check_fstab(path, old, wanted, {**decision.tags, "UUID": uuid}, decision.disk)
    new = fstab.with_entry(old, wanted)
    if new == old:
        return None
    before = "absent" if present is None else f"{present.spec.partition('=')[0]} {present.fstype} {present.options}"
    result.add(f"{path} {declared.mount}", before, f"UUID xfs {wanted.options}")
    result.diff.append({"before": old, "after": new, "before_header": path, "after_header": path})
    if not check:
        data_mount.write_fstab(path, old, new)
    return old


def keep_mounted(host: Host, decision: Decision, path: str, check: bool, result: Result) -> None:
    """Mount the disk, or repair the options it is mounted with; Refused when that needs an unmount nobody may do."""
    mount, wanted = decision.declared.mount, list(decision.declared.options)
    if not is_mounted(decision):
        result.add(f"mount {mount}", "not mounted", f"mounted with {','.join(wanted)}")
        if not check:
            data_mount.mount(host, decision.disk, mount, path)
    else:
        in_force = data_mount.seen_at(mount)[3]
        missing = data_mount.missing_options(wanted, in_force)
        if not missing:
            return
        result.add(f"mount {mount}", data_mount.differing(wanted, in_force), ",".join(missing))
        if any(option.partition("=")[0] in data_mount.FIXED for option in missing):
            _mount_anew(host, decision, path, missing, check)
        elif not check:
            data_mount.remount(host, mount, wanted)
    if not check:
        seen = data_mount.seen_at(mount)
        if seen is None or seen[0] != decision.disk.number:
            raise Refused(f"after mounting, {mount} is not {decision.disk.said()}: {seen}")
        missing = data_mount.missing_options(wanted, seen[3])
        if missing:
            raise Refused(f"{mount} is mounted, but the kernel did not take {', '.join(missing)}")


def _mount_anew(host: Host, decision: Decision, path: str, missing: list[str], check: bool) -> None:
    """Unmount and mount, for options that a remount cannot change. A filesystem in use is left mounted."""
    mount = decision.declared.mount
    users = disk_use.users_of(host, decision.disk.number)
    users += [place for place in disk_use.mounted_at(host, decision.disk) if place != mount]
    if users:
        raise Refused(
            f"{', '.join(missing)} takes effect only when {mount} is unmounted and mounted again, and it is in use: "
            f"{', '.join(users[:5])}. Stop these, or restart the machine"
        )
    if not check:
        code, _, err = host.run("umount", mount, timeout_s=data_mount.MOUNT_TIMEOUT_S)
        if code != 0:
            raise Refused(f"{mount} could not be unmounted to give it {', '.join(missing)}: {err.strip()}")
        data_mount.mount(host, decision.disk, mount, path)


def keep(host: Host, declared: list[Declared], ledger: str, path: str, check: bool, result: Result) -> None:
    """Bring every declared disk to its state. Refused before the first change when one disk is refused."""
    decisions = decide_all(host, declared, ledger, path)
    for decision in decisions:
        try:
            uuid = keep_filesystem(host, decision, ledger, check, result)
            keep_mount_point(decision, check, result)
            old = keep_fstab(decision, uuid, path, check, result)
            try:
                keep_mounted(host, decision, path, check, result)
            except (Refused, Unknown):
                if old is not None and not check:
                    data_mount.restore_fstab(path, old)
                raise
        except (Refused, Unknown, OSError) as error:
            raise Refused(f"{decision.declared.said()}: {decision.disk.said()}: {error}") from error


def main() -> None:
    """Run as an Ansible module."""
    each = {
        "serial": {"type": "str", "default": ""}, "wwn": {"type": "str", "default": ""}, "size": {"type": "int"},
        "label": {"type": "str", "required": True}, "mount": {"type": "str", "required": True},
        "options": {"type": "list", "elements": "str", "default": []},
        "adopt_uuid": {"type": "str", "default": ""},
    }
    module = AnsibleModule(
        argument_spec={
            "disks": {"type": "list", "elements": "dict", "required": True, "options": each},
            "ledger": {"type": "path", "default": "/var/lib/firstlight/disks.json"},
            "fstab": {"type": "path", "default": "/etc/fstab"},
        },
        supports_check_mode=True,
    )
    values = module.params
    declared = [
        Declared(one["serial"], one["wwn"], one["size"], one["label"], os.path.normpath(one["mount"]),
                 tuple(one["options"]), one["adopt_uuid"])
        for one in values["disks"]
    ]
    result = Result()
    if declared and os.geteuid() != 0:
        module.fail_json(msg="data disks can be looked at by root only; nothing was done", refused=True)
    try:
        keep(Host(), declared, values["ledger"], values["fstab"], module.check_mode, result)
    except Refused as error:
        module.fail_json(msg=str(error), refused=True, changed=bool(result.changes), changes=result.changes)
    module.exit_json(changed=bool(result.changes), changes=result.changes, diff=result.diff)


if __name__ == "__main__":
    main()
