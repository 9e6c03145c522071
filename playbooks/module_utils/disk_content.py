"""Is a disk blank? Every reader must say so; the first non-zero byte, signature or unanswered question refuses."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator

from ansible.module_utils.blockdev import PATH, Disk, Host, Unknown

MIB = 1 << 20
ENDS_BYTES = 16 * MIB
WHOLE_BYTES = 1 << 30
PROBES = 4096
PROBE_BYTES = 64 << 10
BLOCK_BYTES = 4096
ZEROS = bytes(MIB)
# Where formats keep a copy far from both ends: btrfs mirrors; ext backup superblocks (4 KiB blocks: groups of
# 128 MiB, numbers 1 and powers of 3, 5 and 7).
BACKUP_GROUPS = (1, 3, 5, 7, 9, 25, 27, 49, 81, 125, 243, 343)
COPIES = (64 * MIB, 256 << 30, *(group * 128 * MIB for group in BACKUP_GROUPS))
STARTS = (MIB, 63 * 512, 2 * MIB, 64 * 512)


def regions(size_bytes: int) -> Iterator[tuple[int, int]]:
    """Yield (offset, length) of what is read, in order: all of a disk up to 1 GiB, else a sample.

    The sample is the first and last 16 MiB, the known places of copies, and 4096 probes of 64 KiB evenly spread.
    """
    if size_bytes <= WHOLE_BYTES:
        for offset in range(0, size_bytes, MIB):
            yield offset, min(MIB, size_bytes - offset)
        return
    yield from ((offset, MIB) for offset in range(0, ENDS_BYTES, MIB))
    evenly = {size_bytes * probe // PROBES // BLOCK_BYTES * BLOCK_BYTES for probe in range(1, PROBES)}
    last = size_bytes - ENDS_BYTES
    for offset in sorted(evenly | set(COPIES)):
        if ENDS_BYTES <= offset < last:
            yield offset, PROBE_BYTES
    yield from ((offset, min(MIB, size_bytes - offset)) for offset in range(last, size_bytes, MIB))


def nonzero_blocks(handle: int, size_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, bytes) of each 4 KiB block read that has a non-zero byte; Unknown when it cannot be read."""
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    for offset, length in regions(size_bytes):
        try:
            data = os.pread(handle, length, offset)
        except OSError as error:
            raise Unknown(f"cannot read the disk at byte {offset}: {error.strerror}") from error
        if len(data) != length:
            raise Unknown(f"cannot read the disk at byte {offset}: {len(data)} of {length} bytes came")
        if data == ZEROS[:length]:
            continue
        for start in range(0, length, BLOCK_BYTES):
            block = data[start:start + BLOCK_BYTES]
            if block != ZEROS[:len(block)]:
                yield offset + start, block


def guard_zero(host: Host, disk: Disk, handle: int) -> str:
    """Return "" when everything read is zero, else where the first non-zero byte stands."""
    for offset, block in nonzero_blocks(handle, disk.size_bytes):
        byte = next(number for number, value in enumerate(block) if value)
        shown = block[byte:byte + 16].hex(" ")
        return f"it has data: the first non-zero byte seen is at byte {offset + byte} ({shown} …)"
    return ""


def probe(host: Host, path: str, offset: int = 0) -> dict[str, str]:
    """Return what `blkid -p` finds ({} = nothing at all, exit code 2); Unknown for anything else."""
    code, out, err = host.run("blkid", "-p", "-o", "export", "-O", str(offset), path)
    if code == 2 and not out.strip():
        return {}
    if code == 8:
        raise Unknown("blkid sees signatures of several formats at once (ambivalent)")
    if code != 0 or not out.strip():
        raise Unknown(f"blkid -p ended with {code}: {(err or out).strip()}")
    return dict(line.split("=", 1) for line in out.splitlines() if "=" in line)


def superblock_uuid(path: str) -> bytes:
    """Return the UUID in the XFS superblock at the start of a device; b"" when there is none or it cannot be read."""
    try:
        with open(path, "rb") as stream:
            block = stream.read(512)
    except OSError:
        return b""
    return block[32:48] if block.startswith(b"XFSB") else b""


def said(found: dict[str, str]) -> str:
    """Return a blkid answer in words."""
    names = {"TYPE": "type", "PTTYPE": "partition table", "LABEL": "label", "UUID": "UUID", "VERSION": "version"}
    words = [f"{name} {found[key]}" for key, name in names.items() if found.get(key)]
    return ", ".join(words) or ", ".join(f"{key} {value}" for key, value in found.items() if key != "DEVNAME")


def guard_blkid(host: Host, disk: Disk, handle: int) -> str:
    """Return "" when blkid finds nothing at the start of the disk nor where a first partition would start."""
    found = probe(host, disk.path)
    if found:
        return f"blkid sees {said(found)}"
    for offset in STARTS:
        found = probe(host, disk.path, offset)
        if found:
            return f"blkid sees {said(found)} starting at byte {offset}, with no partition table in front"
    return ""


def guard_wipefs(host: Host, disk: Disk, handle: int) -> str:
    """Return "" when wipefs (read only here) lists no signature."""
    code, out, err = host.run("wipefs", "--no-act", "--parsable", disk.path)
    if code != 0:
        raise Unknown(f"wipefs ended with {code}: {err.strip()}")
    lines = [line for line in out.splitlines() if line and not line.startswith("#")]
    return f"wipefs sees signatures (offset, UUID, label, type): {'; '.join(lines)}" if lines else ""


def guard_lsblk(host: Host, disk: Disk, handle: int) -> str:
    """Return "" when lsblk shows a plain disk: no children, no filesystem, no table, not mounted."""
    columns = "NAME,TYPE,FSTYPE,PTTYPE,MOUNTPOINTS,UUID,PARTUUID"
    code, out, err = host.run("lsblk", "--json", "--output", columns, disk.path)
    if code != 0:
        raise Unknown(f"lsblk ended with {code}: {err.strip()}")
    try:
        shown = json.loads(out)["blockdevices"]
        node = shown[0]
    except (ValueError, KeyError, IndexError) as error:
        raise Unknown(f"lsblk said something unexpected: {out[:80]!r}") from error
    if len(shown) != 1 or node.get("type") not in host.disk_types:
        return f"lsblk calls it {node.get('type')}, not a disk"
    if node.get("children"):
        return f"lsblk shows devices on top of it: {', '.join(child['name'] for child in node['children'])}"
    for column in ("fstype", "pttype", "uuid", "partuuid"):
        if node.get(column):
            return f"lsblk shows {column} {node[column]}"
    mounts = [mount for mount in node.get("mountpoints") or [] if mount]
    return f"lsblk shows it mounted at {', '.join(mounts)}" if mounts else ""


def guard_health(host: Host, disk: Disk, handle: int) -> str:
    """Return "" unless the disk says of itself that it fails; without smartctl, or without an answer, "" too."""
    if shutil.which("smartctl", path=PATH) is None:
        return ""
    _, out, _ = host.run("smartctl", "--json", "--health", disk.path)
    try:
        passed = json.loads(out).get("smart_status", {}).get("passed")
    except (ValueError, AttributeError):
        return ""
    return "its own health check (SMART) says that it is failing" if passed is False else ""


GUARDS = (guard_health, guard_blkid, guard_wipefs, guard_lsblk, guard_zero)
