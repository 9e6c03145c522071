#!/usr/bin/python
"""Kernel settings in one drop-in of our own, in force now and after the next boot."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.dropins import overridden, read_after, text_of
from ansible.module_utils.owned_files import HEADER, differences, planned, read_all, write_all
from ansible.module_utils.sysctl_files import (
    FOLDERS,
    configured,
    floor,
    proc_name,
    read_live,
    render,
    same,
    settings,
    write_live,
)

DOCUMENTATION = r"""
module: sysctl_dropin
short_description: Kernel settings in a drop-in of our own
description:
  - Writes all values to one file and sets them in the running kernel.
  - When a file that is read later sets one of them to something else, the value is written once more to
    zz-firstlight.conf, which is read last; nobody else's file is touched.
options:
  values:
    description: Keys and the values they must have.
    type: dict
    default: {}
  floors:
    description: Keys and their least values; the running value or another file's greater value is kept.
    type: dict
    default: {}
  path:
    description: The drop-in.
    type: path
    default: /etc/sysctl.d/60-firstlight.conf
"""
EXAMPLES = r"""
- name: Set kernel parameters
  sysctl_dropin:
    values: {vm.swappiness: 10}
    floors: {fs.nr_open: 2000000}
"""
RETURN = r"""
changes:
  description: What was (or would be) changed, as target, before, after.
  returned: always
  type: list
absent:
  description: Keys that this kernel does not have.
  returned: always
  type: list
"""
PROC = "/proc/sys"
LEGACY = "/etc/sysctl.conf"


@dataclass(frozen=True)
class Wanted:
    """What must hold: each key's value, its live value, the drop-ins' texts by path (None: no file)."""

    values: dict[str, str]
    live: dict[str, str | None]
    files: dict[str, str | None]
    winners: tuple[str, ...]
    floors: frozenset[str] = frozenset()


def live_values(module: AnsibleModule, keys: list[str]) -> dict[str, str | None]:
    """Return the kernel's value of each key, None for one it does not have."""
    found: dict[str, str | None] = {}
    for key in keys:
        try:
            found[key] = read_live(PROC, key)
        except OSError as error:
            module.fail_json(msg=f"{key} cannot be read from {PROC}/{proc_name(key)}: {error.strerror}.")
    return found


def wanted_state(module: AnsibleModule) -> Wanted:
    """Return what must hold on this machine."""
    params = module.params
    ours = params["path"]
    last = f"{os.path.dirname(ours)}/zz-firstlight.conf"
    live = live_values(module, [*params["floors"], *params["values"]])
    elsewhere = configured(FOLDERS, {ours, last})
    written = {item.key: item for item in settings(ours, text_of(ours))}
    values = {
        key: floor(key, int(low), live[key], elsewhere.get(proc_name(key)), written.get(proc_name(key)))
        for key, low in params["floors"].items()
    }
    values |= {key: " ".join(str(value).split()) for key, value in params["values"].items()}
    by_path = {proc_name(key): value for key, value in values.items()}
    later = [
        item for path in read_after(FOLDERS, ours, ignored=last) for item in settings(path, text_of(path))
    ]
    lost = overridden(later, by_path, same)
    again = {key: value for key, value in values.items() if proc_name(key) in lost}
    winners = tuple(
        f"{item.path}:{item.line} sets {item.key.replace('/', '.')} = {item.value}"
        for item in lost.values()
    )
    beyond = [item.path for item in lost.values() if os.path.basename(item.path) > os.path.basename(last)]
    if beyond:
        module.fail_json(
            msg=f"{'; '.join(winners)}. That file is read even after {last}: remove the line."
        )
    files = {ours: render(HEADER, values), last: render(last_header(winners), again) if again else None}
    return Wanted(values, live, files, winners, frozenset(params["floors"]))


def last_header(winners: tuple[str, ...]) -> str:
    """Return the heading of the drop-in that is read last: it names whom it answers."""
    return HEADER + "".join(f"# {winner}\n" for winner in winners)


def live_changes(wanted: Wanted) -> dict[str, dict[str, str]]:
    """Return, by key, the change of the running kernel; keys it does not have are left out, floors never lowered."""
    return {
        key: {"target": key, "before": now, "after": value}
        for key, value in wanted.values.items()
        if (now := wanted.live[key]) is not None
        and not same(now, value)
        and not (key in wanted.floors and int(now) >= int(value))
    }


def apply_live(module: AnsibleModule, changes: dict[str, dict[str, str]]) -> None:
    """Set the kernel's values; fails the module naming all keys that could not be set."""
    failures = []
    for key, change in changes.items():
        try:
            write_live(PROC, key, change["after"])
            kept = read_live(PROC, key)
            if kept is None or not same(kept, change["after"]):
                failures.append(f"{key}: wrote {change['after']}, the kernel keeps {kept}")
        except OSError as error:
            why = (
                "/proc/sys is read-only here, as in a container"
                if error.errno == errno.EROFS
                else error.strerror
            )
            failures.append(f"{key} = {change['after']}: {why}")
    if failures:
        module.fail_json(
            msg=f"The kernel did not take: {'; '.join(failures)}. {module.params['path']} is written: "
            "correct the value in the profile, or set it where the kernel allows it."
        )


def warn(module: AnsibleModule, wanted: Wanted, absent: list[str]) -> None:
    """Say what works but should be known."""
    if absent:
        module.warn(f"This kernel has no {', '.join(absent)}: written to the file, not in force.")
    if wanted.winners:
        module.warn(
            f"Another file is read after ours: {'; '.join(wanted.winners)}. "
            f"Answered in {os.path.dirname(module.params['path'])}/zz-firstlight.conf."
        )
    by_path = {proc_name(key): value for key, value in wanted.values.items()}
    for item in overridden(settings(LEGACY, text_of(LEGACY)), by_path, same).values():
        module.warn(
            f"{LEGACY}:{item.line} sets {item.key.replace('/', '.')} = {item.value}: "
            "a hand-started `sysctl --system` would set that (a boot does not)."
        )


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "values": {"type": "dict", "default": {}},
            "floors": {"type": "dict", "default": {}},
            "path": {"type": "path", "default": "/etc/sysctl.d/60-firstlight.conf"},
        },
        supports_check_mode=True,
    )
    try:
        wanted = wanted_state(module)
        absent = [key for key, value in wanted.live.items() if value is None]
        warn(module, wanted, absent)
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"{error}. Nothing was changed.")
    found = read_all(module, list(wanted.files))
    live = live_changes(wanted)
    changes = planned(found, wanted.files) + list(live.values())
    if not module.check_mode:
        write_all(module, found, wanted.files)
        apply_live(module, live)
    module.exit_json(
        changed=bool(changes), changes=changes, diff=differences(found, wanted.files), absent=absent
    )


if __name__ == "__main__":
    main()
