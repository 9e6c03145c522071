"""Mounting a data disk: its mount point, its line in fstab, the options in force."""

from __future__ import annotations

import os
import re
import stat
import tempfile

from ansible.module_utils import fstab
from ansible.module_utils.atomic import read_text, write_atomic
from ansible.module_utils.blockdev import Disk, Host, Refused, Unknown

MOUNT_TIMEOUT_S = 900  # XFS may have a long log to recover
OURS = ("nofail",)  # the boot does not wait for it, so systemd may wait its 90 s for a slow disk
# Options the kernel shows only by the absence of their opposite.
OPPOSITES = {
    "dev": "nodev", "suid": "nosuid", "exec": "noexec", "async": "sync", "nodiscard": "discard",
    "diratime": "nodiratime", "nolazytime": "lazytime", "nolargeio": "largeio",
}
ATIMES = ("noatime", "relatime", "strictatime")
# Read by mount(8) and systemd, never by the kernel.
UNSEEN = ("defaults", "auto", "noauto", "user", "nouser", "users", "group", "owner", "_netdev", "nofail")
FIXED = ("logbufs", "logbsize", "logdev", "rtdev", "sunit", "swidth", "allocsize")


def entry(uuid: str, mount: str, options: list[str]) -> fstab.Entry:
    """Return the fstab entry of a data disk: by UUID, never holding up the boot, never checked by fsck."""
    wanted = [*options, *(option for option in OURS if option not in options)]
    return fstab.Entry(f"UUID={uuid}", mount, "xfs", ",".join(wanted), 0, 0)


def seen_at(mount: str, proc: str = "/proc") -> tuple[str, str, str, list[str]] | None:
    """Return (major:minor, filesystem type, source, options in force) of what is mounted at `mount`, or None."""
    found = None
    with open(f"{proc}/self/mountinfo", encoding="utf-8", errors="replace") as stream:
        for line in stream:
            fields, _, rest = line.rstrip("\n").partition(" - ")
            parts, behind = fields.split(), rest.split()
            if re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), parts[4]) == mount:
                options = [*parts[5].split(","), *(behind[2].split(",") if len(behind) > 2 else [])]
                found = (parts[2], behind[0], behind[1], options)
    return found


def _plain(option: str) -> str:
    """Return an option with its size in bytes (256k = 262144), as options are compared."""
    name, equals, value = option.partition("=")
    number = re.fullmatch(r"(\d+)([kKmMgG]?)", value)
    if not equals or number is None:
        return option
    power = {"": 0, "k": 10, "m": 20, "g": 30}[number[2].lower()]
    return f"{name}={int(number[1]) << power}"


def missing_options(wanted: list[str], in_force: list[str]) -> list[str]:
    """Return the wanted options that are not in force. Pure."""
    have = {_plain(option) for option in in_force}
    gone = []
    for option in wanted:
        if option in UNSEEN or option.lower().startswith(("x-", "comment=")):
            continue
        if option in OPPOSITES:
            held = OPPOSITES[option] not in have
        elif option == "strictatime":
            held = not have & {"noatime", "relatime"}
        elif option == "rw":
            held = "ro" not in have
        else:
            held = _plain(option) in have
        if not held:
            gone.append(option)
    return gone


def differing(wanted: list[str], in_force: list[str]) -> str:
    """Return what is in force where `missing_options` are wanted, in words: "relatime, logbsize=32k". Pure."""
    seen = []
    for option in missing_options(wanted, in_force):
        if option in ATIMES:
            seen.append(next((name for name in ATIMES if name in in_force), "strictatime"))
        else:
            name = option.partition("=")[0]
            seen.append(next((have for have in in_force if have.partition("=")[0] == name), f"no {option}"))
    return ", ".join(seen)


def check_mount_point(mount: str, disk: Disk | None) -> bool:
    """Return whether the folder exists; Refused unless it is free for `disk` or `disk` is mounted there already."""
    path = "/"
    for part in mount.strip("/").split("/"):
        path = os.path.join(path, part)
        try:
            seen = os.lstat(path)
        except FileNotFoundError:
            return False
        if stat.S_ISLNK(seen.st_mode):
            raise Refused(f"mount point {mount}: {path} is a symbolic link to {os.readlink(path)}")
        if not stat.S_ISDIR(seen.st_mode):
            raise Refused(f"mount point {mount}: {path} is not a directory")
    mounted = seen_at(mount)
    if mounted is not None:
        if disk is None or mounted[0] != disk.number:
            raise Refused(f"mount point {mount}: {mounted[2]} ({mounted[1]}) is mounted there")
        return True
    names = sorted(os.listdir(mount))
    if names:
        more = " …" if len(names) > 3 else ""
        raise Refused(
            f"mount point {mount} is not empty ({', '.join(names[:3])}{more}): mounting would hide these files; "
            "move them away first"
        )
    return True


def load_fstab(path: str) -> str:
    """Return the text of fstab; Refused when it is a link, unreadable or not text."""
    try:
        if os.path.islink(path):
            raise Refused(f"{path} is a symbolic link to {os.readlink(path)}; it is left alone")
        return read_text(path) or ""
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{path} cannot be read: {error}") from error


def check_fstab(path: str, text: str, ours: fstab.Entry, tags: dict[str, str], disk: Disk) -> fstab.Entry | None:
    """Return the present line of our mount point (None = none); Refused when it or ours belongs to another.

    `tags`: what blkid sees on the disk; {} for a disk that is blank.
    """
    names = {f"{key}={tags[key]}" for key in ("UUID", "LABEL") if tags.get(key)} | {ours.spec}
    present = None
    for found in fstab.parse(text):
        same = found.spec.replace('"', "") in names or os.path.realpath(found.spec) == disk.path
        if found.mount.rstrip("/") == ours.mount.rstrip("/"):
            if not same:
                raise Refused(f"{path} already mounts {found.spec} at {found.mount}; remove that line first")
            if present is not None:
                raise Refused(f"{path} has two lines for {found.mount}; remove one")
            present = found
        elif same:
            raise Refused(f"{path} mounts this disk ({found.spec}) at {found.mount}, the profile at {ours.mount}")
    return present


def write_fstab(path: str, old: str, new: str) -> str:
    """Replace fstab after `findmnt --verify` found no new error in the new text; return the backup's path.

    Refused, with nothing written, when it did.
    """
    before, after = (_errors(text) for text in (old, new))
    worse = [error for error in after if error not in before]
    if worse:
        raise Refused(f"{path} would have errors, so it was not written: {'; '.join(worse)}")
    return write_atomic(path, new, backup=True)


def _errors(text: str) -> list[str]:
    with tempfile.NamedTemporaryFile("w", prefix="fstab-", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        return fstab.verify(stream.name)


def mount(host: Host, disk: Disk, point: str, fstab_path: str) -> None:
    """Mount what fstab says at `point`. Raises Unknown.

    The mount(8) of a run that was killed may get there first; then the disk is mounted, and that is well.
    """
    table = [] if fstab_path == "/etc/fstab" else ["--fstab", fstab_path]
    code, _, err = host.run("mount", *table, point, timeout_s=MOUNT_TIMEOUT_S)
    seen = seen_at(point)
    if code != 0 and (seen is None or seen[0] != disk.number):
        raise Unknown(f"mount {point} ended with {code}: {err.strip()}")


def remount(host: Host, point: str, options: list[str]) -> None:
    """Change the options of a mounted filesystem. Raises Unknown.

    relatime takes effect on a noatime mount only behind atime (mount adds to the options in force).
    """
    options = [*["atime"] * ("relatime" in options), *options]
    argv = ("mount", "-o", ",".join(["remount", *options]), point)
    code, _, err = host.run(*argv, timeout_s=MOUNT_TIMEOUT_S)
    if code != 0:
        raise Unknown(f"mount -o remount {point} ended with {code}: {err.strip()}")


def restore_fstab(path: str, text: str) -> None:
    """Put back the text that stood in fstab before a change that did not work out."""
    write_atomic(path, text)
