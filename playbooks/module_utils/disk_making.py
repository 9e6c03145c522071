"""Making the filesystem: every guard again under an exclusive hold, then mkfs.xfs without -f, then the ledger.

mkfs.xfs gets -K: what it does not write itself stays on the disk. It runs in a session of its own, so that killing
us does not leave it half done. A half-made filesystem (power cut, mkfs itself killed) is cleared only where each
non-zero 4 KiB block carries the random UUID that the ledger held before mkfs started.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
import uuid as uuids
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from ansible.module_utils import disk_content, disk_ledger, disk_use
from ansible.module_utils.blockdev import PATH, Disk, Host, Refused, Unknown, check_node

INPROGRESS_BYTE = 126
EVERY_GUARD = (*disk_use.GUARDS, *disk_content.GUARDS)


@contextmanager
def opened(host: Host, disk: Disk, flags: int = 0) -> Iterator[int]:
    """Open the disk (read-only unless flags say otherwise) and check that it is the one /sys describes."""
    try:
        handle = os.open(disk.path, os.O_RDONLY | os.O_CLOEXEC | flags)
    except OSError as error:
        raise Refused(f"{disk.path} cannot be opened: {error.strerror}") from error
    try:
        check_node(host, disk, handle)
        yield handle
    finally:
        os.close(handle)


def objections(host: Host, disk: Disk, handle: int, tags: dict[str, str], held: bool = False) -> list[str]:
    """Return why the disk may not be formatted ([] = every guard passed). `held`: we hold it exclusively."""
    found = []
    for guard in EVERY_GUARD:
        if held and guard is disk_use.guard_exclusive:
            continue
        try:
            found.append(guard(host, disk, handle))
        except (Unknown, OSError) as error:
            found.append(f"could not tell: {error}")
    try:
        found += disk_use.claims(host, disk, tags)
    except (Unknown, OSError) as error:
        found.append(f"could not tell: {error}")
    return list(dict.fromkeys(reason for reason in found if reason))


def unexplained(host: Host, disk: Disk, handle: int, uuid: str) -> str:
    """Return "" when all data on the disk is a filesystem with this UUID that mkfs has not finished."""
    stamp = uuids.UUID(uuid).bytes
    for offset, block in disk_content.nonzero_blocks(handle, disk.size_bytes):
        if stamp not in block:
            return f"the data at byte {offset} is not of the filesystem {uuid} that was being made"
        if offset == 0 and block.startswith(b"XFSB") and block[INPROGRESS_BYTE] == 0:
            return f"the filesystem {uuid} is complete"
    return ""


def is_complete(handle: int) -> bool:
    """Return whether the XFS superblock says that mkfs ended (the kernel refuses to mount it otherwise)."""
    block = os.pread(handle, 512, 0)
    return block.startswith(b"XFSB") and block[INPROGRESS_BYTE] == 0


def _clear(host: Host, disk: Disk, uuid: str) -> None:
    """Zero the blocks of a half-made filesystem of ours. Refused when anything else is on the disk."""
    with opened(host, disk, os.O_RDWR | os.O_EXCL) as handle:
        reason = unexplained(host, disk, handle, uuid)
        if reason:
            raise Refused(reason)
        stamp = uuids.UUID(uuid).bytes
        for offset, block in disk_content.nonzero_blocks(handle, disk.size_bytes):
            if stamp in block:
                os.pwrite(handle, b"\0" * len(block), offset)
        os.fsync(handle)


def _mkfs(disk: Disk, label: str, uuid: str) -> None:
    """Run mkfs.xfs; Refused with its own words when it does not want to."""
    argv = ["mkfs.xfs", "-K", "-q", "-L", label, "-m", f"uuid={uuid}", disk.path]
    with tempfile.TemporaryFile() as output:
        try:
            code = subprocess.run(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False,
                start_new_session=True, env={"LC_ALL": "C.UTF-8", "PATH": PATH},
            ).returncode
        except OSError as error:
            raise Refused(f"mkfs.xfs did not run: {error}; package xfsprogs has it") from error
        output.seek(0)
        if code != 0:
            words = output.read().decode(errors="replace").strip()
            raise Refused(f"mkfs.xfs refused or failed (exit code {code}): {words}")


def make(host: Host, disk: Disk, label: str, ledger: str, half_made: str = "") -> str:
    """Make the filesystem and return its UUID. `half_made`: UUID in the ledger of an interrupted attempt.

    Every guard is asked again while the disk is held exclusively. Refused leaves the disk as it is.
    """
    with opened(host, disk) as watch:
        try:
            fcntl.flock(watch, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Refused(f"{disk.path} is locked by another program (flock)") from error
        if half_made:
            _clear(host, disk, half_made)
        with opened(host, disk, os.O_EXCL) as handle:
            reasons = objections(host, disk, handle, {}, held=True)
            if reasons:
                raise Refused("; ".join(reasons))
            uuid = half_made or str(uuids.uuid4())
            entries = disk_ledger.load(ledger)
            entries[uuid] = disk_ledger.entry_for(disk, uuid, label, "making")
            disk_ledger.write(ledger, entries)
        _mkfs(disk, label, uuid)
        found = disk_content.probe(host, disk.path)
        if (found.get("TYPE"), found.get("UUID"), found.get("LABEL")) != ("xfs", uuid, label):
            raise Refused(f"after mkfs.xfs blkid sees {disk_content.said(found) or 'nothing'}, not XFS {uuid}")
        entries[uuid] = replace(entries[uuid], state="ready")
        disk_ledger.write(ledger, entries)
    return uuid
