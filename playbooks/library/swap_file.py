#!/usr/bin/python
"""Enough swap: what exists is adopted, else a swap file is made, put into fstab and switched on."""

from __future__ import annotations

import os

from ansible.module_utils.atomic import write_atomic
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.fstab import Entry, verify, with_entry
from ansible.module_utils.owned_files import read_all
from ansible.module_utils.swap_state import (
    Area,
    Plan,
    SwapFile,
    configured,
    find_file,
    judge,
    parse_active,
    real_path,
    room_error,
    size_of,
)
from ansible.module_utils.systemd_units import run

DOCUMENTATION = r"""
module: swap_file
short_description: A swap file of a given size, unless there is enough swap
description:
  - Active swap and swap lines of fstab are adopted when they reach nine tenths of the wanted size.
  - The file is made under another name, given its signature and then renamed, so that an interrupted run
    leaves nothing that looks finished.
options:
  path:
    description: The swap file, on ext4, XFS or btrfs.
    type: path
    required: true
  size_bytes:
    description: Wanted size; 0 wants no swap and leaves what exists alone.
    type: int
    required: true
"""
EXAMPLES = r"""
- name: Provide swap
  swap_file:
    path: /swap.img
    size_bytes: 4294967296
"""
RETURN = r"""
changes:
  description: What was (or would be) changed, as target, before, after.
  returned: always
  type: list
"""
FSTAB = "/etc/fstab"
ALLOCATES = {"ext4", "xfs", "btrfs"}
WRITES_ZEROS = {"ext2", "ext3", "f2fs", "jfs"}
SUFFIX = ".firstlight-new"
BLOCK = 4 << 20


def filesystem_of(folder: str) -> str:
    """Return the type of the filesystem that holds a folder, from /proc/self/mountinfo by device number."""
    device = os.stat(folder).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    best = ("", "")
    real = os.path.realpath(folder) + "/"
    with open("/proc/self/mountinfo", encoding="utf-8") as stream:
        for line in stream:
            left, _, right = line.partition(" - ")
            mount = left.split()[4].encode().decode("unicode_escape").rstrip("/") + "/"
            same = left.split()[2] == wanted or right.split()[0] == "btrfs"
            if same and real.startswith(mount) and len(mount) >= len(best[0]):
                best = (mount, right.split()[0])
    return best[1]


def refuse_no_room(module: AnsibleModule, path: str, size_bytes: int) -> str:
    """Return the filesystem's type; fails the module (refused) when it cannot hold such a file."""
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        module.fail_json(
            refused=True, msg=f"{folder} does not exist: {path} cannot be made. Nothing was changed."
        )
    kind = filesystem_of(folder)
    if kind not in ALLOCATES | WRITES_ZEROS:
        module.fail_json(
            refused=True,
            msg=f"{folder} is on {kind or 'an unknown filesystem'}, which cannot hold a "
            "swap file. Give a system.swap.path on ext4, XFS or btrfs. Nothing was changed.",
        )
    room = os.statvfs(folder)
    left_over = size_of(path + SUFFIX)
    error = room_error(
        path, size_bytes, room.f_bavail * room.f_frsize + left_over, room.f_blocks * room.f_frsize
    )
    if error:
        module.fail_json(refused=True, msg=f"{error} Nothing was changed.")
    return kind


def make(module: AnsibleModule, path: str, size_bytes: int, kind: str) -> None:
    """Make the swap file under a temporary name, without holes, and rename it to `path`."""
    new = path + SUFFIX
    if os.path.lexists(new):
        os.unlink(new)  # left behind by an interrupted run
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        if kind == "btrfs":
            run(module, ["chattr", "+C", new])
        if kind in ALLOCATES:
            os.posix_fallocate(handle, 0, size_bytes)
        else:
            write_zeros(handle, size_bytes)
        os.fsync(handle)
    finally:
        os.close(handle)
    run(module, ["mkswap", "--", new])
    os.rename(new, path)


def write_zeros(handle: int, size_bytes: int) -> None:
    """Fill an open file with zeros."""
    block = bytes(BLOCK)
    for start in range(0, size_bytes, BLOCK):
        os.write(handle, block[: size_bytes - start])


def described(
    plan: Plan, path: str, size_bytes: int, file: SwapFile | None, line: str
) -> list[dict[str, str]]:
    """Return the changes a plan makes."""
    changes = []
    if plan.create:
        before = f"{file.size_bytes >> 20} MiB" if file else "absent"
        changes.append(
            {"target": path, "before": before, "after": f"swap file of {size_bytes >> 20} MiB"}
        )
    if plan.chmod and file:
        changes.append({"target": f"mode of {path}", "before": f"{file.mode:04o}", "after": "0600"})
    if plan.fstab:
        changes.append({"target": FSTAB, "before": f"no swap {path}", "after": line})
    return changes + [
        {"target": f"swap on {area}", "before": "off", "after": "on"} for area in plan.swapon
    ]


def carry_out(module: AnsibleModule, plan: Plan, path: str, fstab_text: str, kind: str) -> None:
    """Do what the plan says; a step that was done by an interrupted run is not in the plan any more."""
    if plan.recreate and path in {area.path for area in active_areas()}:
        run(module, ["swapoff", "--", path])
    if plan.create:
        make(module, path, module.params["size_bytes"], kind)
    if plan.chmod:
        os.chmod(path, 0o600)
    if plan.fstab:
        write_fstab(module, fstab_text)
    for area in plan.swapon:
        run(module, ["swapon", "--", area])


def write_fstab(module: AnsibleModule, text: str) -> None:
    """Write fstab, with a backup; fails the module when findmnt finds a fault it did not find before."""
    trial = os.path.join(module.tmpdir, "fstab")
    with open(trial, "w", encoding="utf-8") as stream:
        stream.write(text)
    known = set(verify(FSTAB)) if os.path.exists(FSTAB) else set()
    faults = [fault for fault in verify(trial) if fault not in known]
    if faults:
        module.fail_json(
            msg=f"findmnt finds a fault in the new {FSTAB}: {'; '.join(faults)}. It was not written."
        )
    write_atomic(FSTAB, text, backup=True)


def active_areas() -> list[Area]:
    """Return the swap in use."""
    with open("/proc/swaps", encoding="utf-8") as stream:
        return parse_active(stream.read())


def boot_areas(fstab: str, path: str) -> list[Area]:
    """Return the swap that fstab names and that is there; our own path also when its file is gone."""
    paths = [real_path(entry.spec) for entry in configured(fstab)]
    return [Area(one, size_of(one)) for one in paths if os.path.exists(one) or one == path]


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "size_bytes": {"type": "int", "required": True},
        },
        supports_check_mode=True,
    )
    path, size_bytes = os.path.realpath(module.params["path"]), module.params["size_bytes"]
    if size_bytes == 0:
        module.exit_json(changed=False, changes=[])
    before = read_all(module, [FSTAB])[FSTAB] or ""
    try:
        file = find_file(path)
        plan = judge(size_bytes, path, active_areas(), boot_areas(before, path), file)
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"{error}. Nothing was changed.")
    if plan.refusal:
        module.fail_json(refused=True, msg=plan.refusal)
    if plan.warning:
        module.warn(plan.warning)
    kind = refuse_no_room(module, path, size_bytes) if plan.create else ""
    entry = Entry(path, "none", "swap", "sw,nofail", 0, 0)
    after = with_entry(before, entry, lambda one: one.fstype == "swap" and real_path(one.spec) == path)
    changes = described(plan, path, size_bytes, file, entry.line())
    diff = [{"before": before, "after": after, "before_header": FSTAB, "after_header": FSTAB}]
    if not module.check_mode:
        try:
            carry_out(module, plan, path, after, kind)
        except OSError as error:
            module.fail_json(msg=f"{error.filename or path}: {error.strerror}.")
    module.exit_json(changed=bool(changes), changes=changes, diff=diff if plan.fstab else [])


if __name__ == "__main__":
    main()
