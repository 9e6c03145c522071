"""What is to be done with a declared data disk. Blank: make. Ours by the ledger: use. Anything else: refuse."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ansible.module_utils import data_mount, disk_content, disk_ledger, disk_making, disk_use
from ansible.module_utils.blockdev import Disk, Host, Refused, Unknown, identify, observe_disks


@dataclass(frozen=True)
class Declared:
    """A data disk as the profile declares it; `size_bytes` None = not given, `adopt_uuid` "" = nothing to adopt."""

    serial: str
    wwn: str
    size_bytes: int | None
    label: str
    mount: str
    options: tuple[str, ...]
    adopt_uuid: str = ""

    def said(self) -> str:
        """Return how messages name the disk."""
        return f"data disk {self.serial or self.wwn}"


@dataclass(frozen=True)
class Decision:
    """What to do. `action`: make, finish (make again what was half made), adopt, use. `uuid`: "" before it is made."""

    declared: Declared
    disk: Disk
    action: str
    uuid: str
    tags: dict[str, str]


def check_declared(disks: list[Declared]) -> None:
    """Refuse declarations that contradict each other (one label, mount point, serial or WWN given twice).

    An option with a comma or a space in it would be more than one option, or two fields, in fstab.
    """
    for disk in disks:
        for option in disk.options:
            if not option or any(letter.isspace() or letter in ",#" for letter in option):
                raise Refused(f"{disk.said()}: {option!r} is not one mount option")
    for name, value in (("label", "label"), ("mount point", "mount"), ("serial", "serial"), ("WWN", "wwn")):
        seen = [getattr(disk, value) for disk in disks if getattr(disk, value)]
        twice = sorted({one for one in seen if seen.count(one) > 1})
        if twice and not (value == "serial" and all(disk.wwn or disk.size_bytes for disk in disks)):
            raise Refused(f"the profile gives the {name} {twice[0]} to two data disks")


def decide(host: Host, disks: list[Disk], declared: Declared, ledger: str) -> Decision:
    """Return what to do with one declared disk; Refused when it is neither blank nor ours. Only reads."""
    disk = identify(disks, declared.serial, declared.wwn, declared.size_bytes)
    entries = disk_ledger.load(ledger)
    try:
        with disk_making.opened(host, disk) as handle:
            return _decide(host, disks, declared, disk, handle, entries)
    except (Unknown, OSError) as error:
        raise Refused(f"{disk.said()}: could not tell what is on it: {error}; it is left as it is") from error
    except Refused as error:
        raise Refused(f"{disk.said()}: {error}; it is left as it is") from error


def _decide(
    host: Host, disks: list[Disk], declared: Declared, disk: Disk, handle: int, entries: dict[str, disk_ledger.Entry]
) -> Decision:
    try:
        tags = disk_content.probe(host, disk.path)
    except Unknown:
        tags = {}  # guard_blkid asks again and refuses
    entry = entries.get(tags.get("UUID", ""))
    is_xfs = tags.get("TYPE") == "xfs" and "PTTYPE" not in tags
    complete = is_xfs and disk_making.is_complete(handle)
    if complete and entry is not None:
        _check_ours(host, disks, declared, disk, tags, entry)
        return Decision(declared, disk, "use" if entry.state == "ready" else "adopt", entry.uuid, tags)
    if complete and declared.adopt_uuid and declared.adopt_uuid.lower() == tags["UUID"]:
        _check_adoptable(host, disks, declared, disk, tags)
        return Decision(declared, disk, "adopt", tags["UUID"], tags)
    return _decide_new(host, declared, disk, handle, entries, tags)


def _decide_new(
    host: Host, declared: Declared, disk: Disk, handle: int, entries: dict[str, disk_ledger.Entry],
    tags: dict[str, str],
) -> Decision:
    half = [entry for entry in entries.values() if entry.on(disk) and entry.state == "making"]
    ready = [entry for entry in entries.values() if entry.on(disk) and entry.state == "ready"]
    if ready:
        seen = disk_content.said(tags) or "no filesystem"
        raise Refused(
            f"the ledger says that it holds our filesystem {ready[0].uuid}, but blkid sees {seen}. If you erased it "
            "yourself, take its entry out of the ledger"
        )
    reasons = disk_making.objections(host, disk, handle, tags)
    if not reasons:
        return Decision(declared, disk, "make", half[0].uuid if half else "", {})
    if half:
        return _decide_half_made(host, declared, disk, handle, half[0], reasons)
    if tags.get("TYPE") == "xfs" and tags.get("LABEL") == declared.label:
        reasons.append(
            f"it has our label but is not in our ledger. To adopt it with everything on it, write "
            f"`adopt_uuid: {tags.get('UUID')}` into this disk's entry of storage.data_disks.disks in the profile"
        )
    raise Refused(f"not blank, or not free: {'; '.join(reasons)}")


def _decide_half_made(
    host: Host, declared: Declared, disk: Disk, handle: int, entry: disk_ledger.Entry, reasons: list[str]
) -> Decision:
    for guard in disk_use.GUARDS:
        reason = guard(host, disk, handle)
        if reason:
            raise Refused(reason)
    claimed = disk_use.claims(host, disk, {})
    strange = "; ".join(claimed) or disk_making.unexplained(host, disk, handle, entry.uuid)
    if strange:
        raise Refused(
            f"{'; '.join(reasons)}. The ledger says that mkfs.xfs was interrupted on it at {entry.made}, "
            f"but {strange}. If nothing on it is of use, finish it by hand and apply again: "
            f"mkfs.xfs -f -L {entry.label} -m uuid={entry.uuid} {disk.path}"
        )
    return Decision(declared, disk, "finish", entry.uuid, {})


def _check_ours(
    host: Host, disks: list[Disk], declared: Declared, disk: Disk, tags: dict[str, str], entry: disk_ledger.Entry
) -> None:
    if not entry.on(disk):
        raise Refused(
            f"the ledger says that filesystem {entry.uuid} is on the disk with serial {', '.join(entry.serials)} and "
            f"{entry.size_bytes} bytes: this is a copy, or the disk was moved into another case"
        )
    if tags.get("LABEL", "") != entry.label:
        raise Refused(f"its label is {tags.get('LABEL', '')!r}, the ledger says {entry.label!r}")
    _check_adoptable(host, disks, declared, disk, tags)


def _check_adoptable(host: Host, disks: list[Disk], declared: Declared, disk: Disk, tags: dict[str, str]) -> None:
    """Refuse a filesystem whose label is not the profile's, that is on two disks, or is mounted elsewhere."""
    if tags.get("LABEL", "") != declared.label:
        raise Refused(
            f"its label is {tags.get('LABEL', '')!r}, the profile says {declared.label!r} "
            f"(xfs_admin -L {declared.label} {disk.path} gives it that one, unmounted)"
        )
    stamp = disk_content.superblock_uuid(disk.path)
    twins = [one.path for one in disks if one.path != disk.path and disk_content.superblock_uuid(one.path) == stamp]
    if twins:
        raise Refused(f"{', '.join(twins)} carries the same filesystem UUID {tags['UUID']}: one is a copy")
    places = [place for place in disk_use.mounted_at(host, disk) if "(in the namespace" not in place]
    if places and declared.mount not in places:
        raise Refused(f"it is mounted at {', '.join(places)}, the profile says {declared.mount}")


def check_place(decision: Decision, fstab_path: str) -> None:
    """Refuse when the mount point or fstab's line for it belongs to something else. Only reads."""
    declared = decision.declared
    data_mount.check_mount_point(declared.mount, decision.disk)
    ours = data_mount.entry(decision.uuid or "new", declared.mount, list(declared.options))
    text = data_mount.load_fstab(fstab_path)
    data_mount.check_fstab(fstab_path, text, ours, decision.tags, decision.disk)


def decide_all(host: Host, declared: list[Declared], ledger: str, fstab_path: str) -> list[Decision]:
    """Return the decisions, outermost mount point first; Refused when one disk is refused (none is touched)."""
    check_declared(declared)
    try:
        disks = observe_disks(host)
    except Unknown as error:
        raise Refused(f"the disks of this machine cannot be listed: {error}") from error
    decisions = []
    for one in sorted(declared, key=lambda disk: disk.mount.split("/")):
        try:
            decision = decide(host, disks, one, ledger)
            check_place(decision, fstab_path)
        except (Refused, OSError) as error:
            raise Refused(f"{one.said()}: {error}") from error
        decisions.append(decision)
    names = [decision.disk.name for decision in decisions]
    if len(set(names)) != len(names):
        raise Refused(f"the profile names one disk twice: {', '.join(sorted(names))}")
    return decisions


def is_mounted(decision: Decision) -> bool:
    """Return whether the disk is mounted at its mount point."""
    seen = data_mount.seen_at(decision.declared.mount)
    return seen is not None and seen[0] == decision.disk.number and os.path.ismount(decision.declared.mount)
