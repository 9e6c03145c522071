#!/usr/bin/python
"""Timers that copy folders to another disk with rsync; jobs that left the profile are taken away."""

from __future__ import annotations

import os
import posixpath
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.owned_files import HEADER, differences, planned, read_all, write_all
from ansible.module_utils.systemd_units import refuse_if_reload_disturbs, reload_systemd, run, show
from ansible.module_utils.unit_quoting import quoted

DOCUMENTATION = r"""
module: backup_units
short_description: Timers that copy folders to another disk
description:
  - Writes one oneshot service and one timer per job and enables the timers.
  - Units of ours whose job is gone are stopped and removed; a copy that is running is left to finish.
options:
  jobs:
    description: name, source, destination, schedule (OnCalendar=), delete.
    type: list
    elements: dict
    required: true
  allow_disruption:
    description: Reload systemd although containers use a GPU.
    type: bool
    default: false
"""
EXAMPLES = r"""
- name: Set up backups
  backup_units:
    jobs:
      - {name: models, source: /data/models, destination: /backup/models, schedule: daily, delete: false}
"""
RETURN = r"""
changes:
  description: What was (or would be) changed, as target, before, after.
  returned: always
  type: list
"""
FOLDER = "/etc/systemd/system"
PREFIX = "firstlight-backup-"


def service_text(job: dict[str, Any]) -> str:
    """Return the service: it copies only when both disks are there and the source holds something."""
    source, destination = (job[key].rstrip("/") + "/" for key in ("source", "destination"))
    options = ["-a", "--partial", *(["--delete"] if job["delete"] else []), "--"]
    words = [quoted(path, command=True) for path in (source, destination)]
    mounts = " ".join(quoted(job[key]) for key in ("source", "destination"))
    shown = {key: job[key].replace("%", "%%") for key in ("source", "destination")}
    return (
        HEADER
        + f"""[Unit]
Description=Backup {job["name"]}: {shown["source"]} to {shown["destination"]}
RequiresMountsFor={mounts}
AssertDirectoryNotEmpty={shown["source"]}

[Service]
Type=oneshot
ExecStart=/usr/bin/rsync {" ".join(options)} {" ".join(words)}
Nice=19
IOSchedulingClass=idle
NoNewPrivileges=yes
"""
    )


def timer_text(job: dict[str, Any]) -> str:
    """Return the timer."""
    return (
        HEADER
        + f"""[Unit]
Description=Backup {job["name"]} by the clock

[Timer]
OnCalendar={job["schedule"]}
RandomizedDelaySec=15min
Persistent=true

[Install]
WantedBy=timers.target
"""
    )


def job_error(job: dict[str, Any]) -> str:
    """Return why a job cannot be, or ""."""
    source, destination = (posixpath.normpath(str(job[key])) + "/" for key in ("source", "destination"))
    if not (source.startswith("/") and destination.startswith("/")) or "//" in (source, destination):
        return f"backup {job['name']}: source and destination must be absolute paths other than /"
    if source.startswith(destination) or destination.startswith(source):
        return f"backup {job['name']}: {job['source']} and {job['destination']} lie in each other"
    if any(ord(letter) < 32 for key in ("source", "destination", "schedule") for letter in str(job[key])):
        return f"backup {job['name']}: control characters in a path or in the schedule"
    return ""


def leftovers(module: AnsibleModule, names: set[str]) -> list[str]:
    """Return the paths of units of ours whose job is gone; a file without our heading is left alone."""
    paths = [
        f"{FOLDER}/{name}"
        for name in sorted(os.listdir(FOLDER))
        if name.startswith(PREFIX) and name.endswith((".service", ".timer")) and name not in names
    ]
    ours = []
    for path, text in read_all(module, [path for path in paths if os.path.isfile(path)]).items():
        if (text or "").startswith(HEADER):
            ours.append(path)
        else:
            module.warn(
                f"{path} looks like a backup unit of ours but was not written by Firstlight: left alone."
            )
    return ours


def check_jobs(module: AnsibleModule) -> None:
    """Fail the module on a job that cannot be; nothing is changed then."""
    jobs = module.params["jobs"]
    errors = [error for error in map(job_error, jobs) if error]
    names = [job["name"] for job in jobs]
    errors += [
        f"two backups are called {name}"
        for name in sorted({one for one in names if names.count(one) > 1})
    ]
    for job in jobs:
        code, _, err = module.run_command(["systemd-analyze", "calendar", "--", job["schedule"]])
        if code != 0:
            errors.append(
                f"backup {job['name']}: schedule {job['schedule']!r}: {err.strip().splitlines()[0]}"
            )
    if errors:
        module.fail_json(msg=f"{'; '.join(errors)}. Nothing was changed.")


def timer_changes(module: AnsibleModule, timers: list[str]) -> list[dict[str, str]]:
    """Return one change per timer that is not enabled and waiting."""
    changes = []
    for timer in timers:
        seen = show(module, timer, ["ActiveState", "UnitFileState"])
        before = f"{seen.get('UnitFileState') or 'absent'}, {seen.get('ActiveState')}"
        if before != "enabled, active":
            changes.append({"target": timer, "before": before, "after": "enabled, active"})
    return changes


def needs_reload(module: AnsibleModule, units: list[str]) -> bool:
    """Return whether systemd still holds older files of these units (an earlier run was interrupted)."""
    return any(
        show(module, unit, ["NeedDaemonReload"]).get("NeedDaemonReload") == "yes" for unit in units
    )


def put_in_force(
    module: AnsibleModule, timers: list[str], enable: list[str], rewritten: set[str]
) -> None:
    """Reload systemd, enable and start timers; a timer whose file changed starts anew."""
    reload_systemd(module)
    if enable:
        run(module, ["systemctl", "enable", "--now", "--", *enable])
    again = [timer for timer in timers if f"{FOLDER}/{timer}" in rewritten and timer not in enable]
    if again:
        run(module, ["systemctl", "restart", "--", *again])


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "jobs": {"type": "list", "elements": "dict", "required": True},
            "allow_disruption": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    check_jobs(module)
    wanted: dict[str, str | None] = {}
    for job in module.params["jobs"]:
        wanted[f"{FOLDER}/{PREFIX}{job['name']}.service"] = service_text(job)
        wanted[f"{FOLDER}/{PREFIX}{job['name']}.timer"] = timer_text(job)
    units = [os.path.basename(path) for path in wanted]
    gone = leftovers(module, set(units))
    wanted |= dict.fromkeys(gone)
    found = read_all(module, list(wanted))
    changes = planned(found, wanted)
    rewritten = {change["target"] for change in changes}
    timers = [unit for unit in units if unit.endswith(".timer")]
    waiting = timer_changes(module, timers)
    changes += waiting
    if not changes and needs_reload(module, units):
        changes.append({"target": "systemd", "before": "older unit files", "after": "in force"})
    if changes:
        refuse_if_reload_disturbs(module)
    if changes and not module.check_mode:
        old = [os.path.basename(path) for path in gone if path.endswith(".timer")]
        if old:
            run(module, ["systemctl", "disable", "--now", "--", *old])
        write_all(module, found, wanted)
        put_in_force(module, timers, [change["target"] for change in waiting], rewritten)
    module.exit_json(changed=bool(changes), changes=changes, diff=differences(found, wanted))


if __name__ == "__main__":
    main()
