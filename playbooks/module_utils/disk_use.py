"""Is a disk in use or spoken for? Mounts, swap, arrays, holders, open files, and every file that names it."""

from __future__ import annotations

import glob
import os
import re
import stat
import time

from ansible.module_utils.blockdev import Disk, Host, Unknown

MINIMUM_BYTES = 300 << 20
# Files in which somebody has laid claim to a device, whether or not it is in use now.
CLAIMS = (
    "etc/fstab", "etc/crypttab", "etc/mdadm.conf", "etc/mdadm/mdadm.conf", "etc/mdadm.conf.d/*.conf",
    "etc/lvm/devices/*.devices", "etc/multipath/wwids", "etc/zfs/vdev_id.conf", "etc/docker/daemon.json",
    "etc/systemd/system/*.mount", "etc/systemd/system/*.swap", "run/systemd/system/*.mount",
    "run/systemd/system/*.swap", "usr/lib/systemd/system/*.mount", "usr/local/lib/systemd/system/*.mount",
    "run/systemd/generator/*.mount", "run/systemd/generator/*.swap", "etc/libvirt/qemu/*.xml",
    "etc/pve/qemu-server/*.conf", "etc/pve/lxc/*.conf", "etc/target/saveconfig.json", "etc/tgt/conf.d/*.conf",
)


def _read(path: str) -> str | None:
    """Return a file's text, None when there is none; Unknown when it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unknown(f"{path}: {error.strerror}") from error


def _sysfs(host: Host, disk: Disk, name: str) -> str:
    text = _read(f"{host.sys}/block/{disk.name}/{name}")
    if text is None:
        raise Unknown(f"/sys/block/{disk.name}/{name} does not exist")
    return text.strip()


def _names(path: str) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except OSError as error:
        raise Unknown(f"{path}: {error.strerror}") from error


def guard_kind(host: Host, disk: Disk, handle: int) -> str:
    """Return "" for a fixed, writable disk of at least 300 MiB (the smallest XFS)."""
    if _sysfs(host, disk, "removable") != "0":
        return "it is removable"
    if _sysfs(host, disk, "ro") != "0":
        return "it is read-only"
    if disk.size_bytes < MINIMUM_BYTES:
        return f"it has {disk.size_bytes} bytes; XFS needs at least {MINIMUM_BYTES}"
    return ""


def partitions(host: Host, disk: Disk) -> list[str]:
    """Return the names of the disk's partitions as the kernel knows them."""
    block = f"{host.sys}/block/{disk.name}"
    return [name for name in _names(block) if os.path.exists(f"{block}/{name}/partition")]


def guard_tree(host: Host, disk: Disk, handle: int) -> str:
    """Return "" when the kernel knows no partitions, holders (dm, md, bcache) or parts of the disk."""
    parts = partitions(host, disk)
    if parts:
        return f"it has partitions: {', '.join(parts)}"
    for kind, words in (("holders", "it is held by"), ("slaves", "it is made of other devices:")):
        names = _names(f"{host.sys}/block/{disk.name}/{kind}")
        if names:
            return f"{words} {', '.join(names)}"
    return ""


def _numbers(host: Host, disk: Disk) -> set[str]:
    block = f"{host.sys}/block/{disk.name}"
    return {disk.number} | {(_read(f"{block}/{part}/dev") or "").strip() for part in partitions(host, disk)}


def _is(host: Host, disk: Disk, path: str) -> bool:
    """Return whether a path leads to the disk or to a partition of it (a partition that is gone counts too)."""
    for name in (path, os.path.realpath(path)):
        if re.fullmatch(re.escape(disk.path) + r"(p?\d+)?", name) is not None:
            return True
    return path.startswith("/dev/") and _number(path) in _numbers(host, disk)


def _number(path: str) -> str:
    """Return "major:minor" of a block device node, "" for anything else."""
    try:
        seen = os.stat(path)
    except OSError:
        return ""
    return f"{os.major(seen.st_rdev)}:{os.minor(seen.st_rdev)}" if stat.S_ISBLK(seen.st_mode) else ""


def mounted_at(host: Host, disk: Disk) -> list[str]:
    """Return where the disk or a part of it is mounted, in any mount namespace (so in containers too)."""
    numbers, seen, places = _numbers(host, disk), set(), []
    for entry in ["self", *host.processes()]:
        try:
            namespace = os.readlink(f"{host.proc}/{entry}/ns/mnt")
            if namespace in seen:
                continue
            with open(f"{host.proc}/{entry}/mountinfo", encoding="utf-8", errors="replace") as stream:
                lines = stream.read().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue
        except OSError as error:
            raise Unknown(f"{host.proc}/{entry}/mountinfo: {error.strerror}") from error
        seen.add(namespace)
        for line in lines:
            fields, _, source = line.partition(" - ")
            if fields.split()[2] in numbers or _is(host, disk, source.split()[1]):
                where = "" if entry == "self" else f" (in the namespace of process {entry})"
                places.append(fields.split()[4] + where)
    return places


def guard_mounted(host: Host, disk: Disk, handle: int) -> str:
    """Return "" when nothing of the disk is mounted."""
    places = mounted_at(host, disk)
    return f"it is mounted at {', '.join(places)}" if places else ""


def guard_swap(host: Host, disk: Disk, handle: int) -> str:
    """Return "" when no active swap is on the disk."""
    for line in (_read(f"{host.proc}/swaps") or "").splitlines()[1:]:
        if _is(host, disk, line.split()[0]):
            return f"{line.split()[0]} is active swap"
    return ""


def guard_array(host: Host, disk: Disk, handle: int) -> str:
    """Return "" when no md array uses the disk."""
    for line in (_read(f"{host.proc}/mdstat") or "").splitlines():
        for member in re.findall(r"(\S+?)\[\d+\]", line):
            if _is(host, disk, f"{host.dev}/{member}"):
                return f"it is part of the md array {line.split()[0]}"
    return ""


def guard_loop(host: Host, disk: Disk, handle: int) -> str:
    """Return "" when no loop device stands on the disk (a loop device does not hold what it stands on)."""
    for backing in glob.glob(f"{host.sys}/block/loop*/loop/backing_file"):
        below = (_read(backing) or "").strip()
        if below and _is(host, disk, below):
            return f"loop device {backing.split('/')[-3]} stands on it"
    return ""


def _opened_by(host: Host, disk: Disk) -> list[str]:
    """Return the processes (not this one) that have the disk open."""
    found, numbers = [], _numbers(host, disk)
    for pid in (name for name in host.processes() if name != str(os.getpid())):
        try:
            handles = os.listdir(f"{host.proc}/{pid}/fd")
        except (FileNotFoundError, ProcessLookupError):
            continue
        except OSError as error:
            raise Unknown(f"{host.proc}/{pid}/fd: {error.strerror}") from error
        for number in handles:
            try:
                target = os.readlink(f"{host.proc}/{pid}/fd/{number}")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if target.startswith("/dev/") and _number(f"{host.proc}/{pid}/fd/{number}") in numbers:
                found.append(f"{(_read(f'{host.proc}/{pid}/comm') or '?').strip()} (process {pid})")
                break
    return found


def guard_open(host: Host, disk: Disk, handle: int) -> str:
    """Return "" when no process has the disk open; udev and friends are given two seconds to finish looking."""
    for wait_s in (0.1, 0.3, 0.6, 1.0, 0.0):
        users = _opened_by(host, disk)
        if not users:
            return ""
        time.sleep(wait_s)
    return f"it is open in {', '.join(users)}"


def _claim(host: Host, disk: Disk, text: str, tags: dict[str, str]) -> str:
    """Return the word of a file's text that names the disk: a path, a tag blkid sees on it, its serial or WWN."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for word in re.findall(r"/dev/[^\s\"'<>,;]+", "\n".join(lines)):
        if _is(host, disk, word):
            return word
    for line in lines:
        for key, value in re.findall(r"\b(UUID|LABEL|PARTUUID|PARTLABEL)=[\"']?([^\s\"',]+)", line):
            if tags.get(key) == value.replace("\\040", " "):
                return f"{key}={value}"
        for serial in disk.serials:
            if len(serial) >= 6 and re.search(rf"(?<![0-9A-Za-z]){re.escape(serial)}(?![0-9A-Za-z])", line):
                return serial
        for wwn in disk.wwns:
            if len(wwn) >= 8 and wwn in line.lower():
                return wwn
    return ""


def claims(host: Host, disk: Disk, tags: dict[str, str], files: tuple[str, ...] = CLAIMS) -> list[str]:
    """Return "<file> names it as <word>" for each file that lays claim to the disk."""
    found = []
    for pattern in files:
        for path in sorted(glob.glob(os.path.join(host.root, pattern))):
            word = _claim(host, disk, _read(path) or "", tags)
            if word:
                found.append(f"{path} names it as {word}")
    return found


def guard_exclusive(host: Host, disk: Disk, handle: int) -> str:
    """Return "" when the kernel gives the disk out exclusively (nothing in the kernel holds it)."""
    try:
        os.close(os.open(disk.path, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC))
    except OSError as error:
        return f"it cannot be had exclusively ({error.strerror}): the kernel, or another program, holds it"
    return ""


GUARDS = (guard_kind, guard_tree, guard_mounted, guard_swap, guard_array, guard_loop, guard_exclusive, guard_open)


def users_of(host: Host, number: str) -> list[str]:
    """Return the processes whose open files, folder or root are on the mounted device `number`."""
    found = []
    for pid in host.processes():
        links = [f"{host.proc}/{pid}/{name}" for name in ("cwd", "root", "exe")]
        try:
            links += [f"{host.proc}/{pid}/fd/{name}" for name in os.listdir(f"{host.proc}/{pid}/fd")]
        except OSError:
            continue  # it ended meanwhile, or is a kernel thread; umount itself has the last word
        for link in links:
            try:
                device = os.stat(link).st_dev
            except OSError:
                continue
            if f"{os.major(device)}:{os.minor(device)}" == number:
                found.append(f"{(_read(f'{host.proc}/{pid}/comm') or '?').strip()} (process {pid})")
                break
    return found
