"""Disks that somebody uses or lays claim to are refused, even when they are blank."""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path

import pytest
from ansible.module_utils import disk_making, disk_use
from ansible.module_utils.blockdev import Disk, Host, Refused, observe_disks

from tests.roles.data_disks.bench import MIB, Bench, sh

pytestmark = pytest.mark.root


def test_a_mounted_disk_is_refused(bench: Bench) -> None:
    disk = bench.disk()
    sh("mkfs.xfs", "-q", disk.path)
    place = bench.folder / "elsewhere"
    place.mkdir()
    sh("mount", disk.path, place)
    assert f"it is mounted at {place}" in bench.refused()


def test_a_disk_mounted_only_in_another_mount_namespace_is_refused(bench: Bench) -> None:
    disk = bench.disk()
    sh("mkfs.ext4", "-q", "-F", disk.path)
    place = bench.folder / "private"
    place.mkdir()
    child = bench.child(
        "unshare", "--mount", "sh", "-c", f"mount {disk.path} {place} && echo ready && exec sleep 60"
    )
    assert child.stdout is not None and child.stdout.readline() == b"ready\n"
    assert re.search(rf"mounted at {place} \(in the namespace of process \d+\)", bench.refused())


def test_the_root_disk_is_refused(bench: Bench) -> None:
    root = Path("/").stat().st_dev
    disks = [disk for disk in observe_disks(Host()) if disk.number == f"{os.major(root)}:{os.minor(root)}"]
    if not disks:
        pytest.skip("the root filesystem of this machine is not on a whole disk")
    bench.table[disks[0].name] = ("ROOTDISK01", "")
    with pytest.raises(Refused, match=rf"data disk ROOTDISK01: {disks[0].path} .*left as it is"):
        bench.keep(bench.declared("ROOTDISK01"), check=True)
    assert disk_use.guard_mounted(bench.host, disks[0], -1).startswith("it is mounted at /")


def test_active_swap_is_refused(bench: Bench) -> None:
    disk, spare = bench.disk(), bench.disk("SPARE0001", 1 << 30)
    for each in (disk, spare):
        sh("mkswap", each.path)
    # When others on this machine need memory, the kernel swaps to the spare one: the disk keeps its bytes.
    sh("swapon", "--priority", "10", spare.path)
    sh("swapon", "--priority", "0", disk.path)
    bench.loops.remove(spare)
    try:
        assert f"{disk.path} is active swap" in bench.refused()
    finally:
        bench.loops.append(spare)
        sh("swapoff", disk.path)
        sh("swapoff", spare.path)


@pytest.mark.parametrize(("file", "text", "reason"), [
    ("etc/fstab", "{dev} /srv ext4 defaults 0 0\n", "etc/fstab names it as {dev}"),
    ("etc/fstab", "{dev}1 /srv ext4 noauto 0 0\n", "etc/fstab names it as {dev}1"),
    ("etc/fstab", "/dev/disk/by-id/nvme-Maker_SERIAL0001 /srv ext4 noauto 0 0\n", "names it as SERIAL0001"),
    ("etc/fstab", "/dev/disk/by-id/wwn-0x50014EE2B5C0FFEE /srv ext4 noauto 0 0\n", "as 50014ee2b5c0ffee"),
    ("etc/crypttab", "safe {dev} none luks\n", "etc/crypttab names it as {dev}"),
    ("etc/mdadm/mdadm.conf", "DEVICE {dev}\n", "mdadm.conf names it as {dev}"),
    ("etc/lvm/devices/system.devices", "IDTYPE=devname IDNAME={dev} PVID=x\n", "system.devices names it"),
    ("etc/multipath/wwids", "/3SERIAL0001/\n/SERIAL0001/\n", "wwids names it as SERIAL0001"),
    ("etc/systemd/system/srv.mount", "[Mount]\nWhat={dev}\nWhere=/srv\n", "srv.mount names it as {dev}"),
    ("etc/systemd/system/x.swap", "[Swap]\nWhat={dev}\n", "x.swap names it as {dev}"),
    ("etc/docker/daemon.json", '{{"storage-opts": ["dm.directlvm_device={dev}"]}}', "daemon.json names it"),
    ("etc/libvirt/qemu/vm.xml", "<source dev='{dev}'/>", "vm.xml names it as {dev}"),
])
def test_a_blank_disk_that_a_file_lays_claim_to_is_refused(
    bench: Bench, file: str, text: str, reason: str
) -> None:
    disk = bench.disk()
    bench.table[disk.name] = (disk.serial, "50014ee2b5c0ffee")
    path = bench.folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.format(dev=disk.path))
    assert reason.format(dev=disk.path) in bench.refused()


def test_a_disk_in_fstab_by_label_or_uuid_is_refused_with_that_line(bench: Bench) -> None:
    disk = bench.disk()
    sh("mkfs.ext4", "-q", "-F", "-L", "keep", disk.path)
    bench.fstab.write_text("LABEL=keep /srv ext4 noauto 0 0\n")
    assert "etc/fstab names it as LABEL=keep" in bench.refused()
    uuid = sh("blkid", "-p", "-s", "UUID", "-o", "value", disk.path).strip()
    bench.fstab.write_text(f'UUID="{uuid}" /srv ext4 noauto 0 0\n')
    assert f"etc/fstab names it as UUID={uuid}" in bench.refused()


def _copy_sysfs(bench: Bench, disk: Disk) -> Path:
    """Return a /sys of its own that shows the one disk as the real one does, with holders/ to write in."""
    block = bench.folder / "sys" / "block" / disk.name
    for name in ("holders", "slaves"):
        (block / name).mkdir(parents=True)
    for name in ("size", "dev", "ro", "removable", "hidden"):
        (block / name).write_text(Path(f"/sys/block/{disk.name}/{name}").read_text())
    bench.host.sys = str(bench.folder / "sys")
    return block


def test_a_disk_held_by_device_mapper_is_refused(bench: Bench) -> None:
    """The kernel of the test machine may lack device-mapper, so the holder stands in a copy of /sys."""
    loop = bench.disk()
    disk = next(disk for disk in observe_disks(bench.host) if disk.path == loop.path)
    block = _copy_sysfs(bench, disk)
    (block / "holders" / "dm-0").mkdir()
    assert "it is held by dm-0" in bench.refused()


@pytest.mark.parametrize(("name", "value", "reason"), [
    ("removable", "1", "it is removable"),
    ("holders", None, "could not tell: .*holders"),
    ("removable", None, "could not tell: .*removable"),
    ("partition", "", "it has partitions: "),
])
def test_what_sysfs_says_or_does_not_say_refuses(
    bench: Bench, name: str, value: str | None, reason: str
) -> None:
    loop = bench.disk()
    disk = next(disk for disk in observe_disks(bench.host) if disk.path == loop.path)
    block = _copy_sysfs(bench, disk)
    if name == "partition":
        (block / f"{disk.name}p1").mkdir()
        (block / f"{disk.name}p1" / "partition").write_text("1")
        (block / f"{disk.name}p1" / "dev").write_text("259:1")
    elif name == "holders":
        (block / name).rmdir()
    elif value is None:
        (block / name).unlink()
    else:
        (block / name).write_text(value)
    assert re.search(reason, bench.refused())


def test_a_member_of_an_md_array_is_refused(bench: Bench) -> None:
    loop = bench.disk()
    proc = bench.folder / "proc"
    proc.mkdir()
    (proc / "mdstat").write_text(f"md127 : active raid1 {loop.name}[1] sdz[0]\n")
    (proc / "self").symlink_to("/proc/self")
    bench.host.proc = str(proc)
    assert "it is part of the md array md127" in bench.refused()


def test_a_disk_the_kernel_holds_is_refused(bench: Bench) -> None:
    """A second btrfs device is in no mount table: only the exclusive open tells (its data is erased here)."""
    first, second = bench.disk("FIRST00001"), bench.disk("SECOND0001")
    sh("mkfs.btrfs", "-q", "-d", "single", "-m", "single", first.path, second.path)
    place = bench.folder / "b"
    place.mkdir()
    sh("btrfs", "device", "scan", first.path, second.path)
    sh("mount", "-o", f"device={second.path}", first.path, place)
    assert second.path not in Path("/proc/self/mounts").read_text()
    disk = next(disk for disk in observe_disks(bench.host) if disk.path == second.path)
    assert "it cannot be had exclusively" in disk_use.guard_exclusive(bench.host, disk, -1)
    assert "it cannot be had exclusively" in bench.refused(bench.declared("SECOND0001"))


def test_a_disk_that_a_process_has_open_is_refused(bench: Bench) -> None:
    disk = bench.disk()
    bench.child("sh", "-c", f"exec sleep 60 < {disk.path}")
    assert re.search(r"it is open in sleep \(process \d+\)", bench.refused())


def test_a_disk_under_a_loop_device_is_refused(bench: Bench) -> None:
    disk = bench.disk()
    upper = sh("losetup", "--find", "--show", disk.path).strip()
    try:
        assert f"loop device {upper.removeprefix('/dev/')} stands on it" in bench.refused()
    finally:
        sh("losetup", "--detach", upper)


def test_a_disk_locked_by_another_program_is_not_made(bench: Bench) -> None:
    disk = bench.disk()
    before = disk.hash()
    found = next(one for one in observe_disks(bench.host) if one.path == disk.path)
    with open(disk.path, "rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(Refused, match="locked by another program"):
            disk_making.make(bench.host, found, "data", str(bench.ledger))
    assert disk.hash() == before and not bench.ledger.exists()


def test_a_read_only_disk_is_refused(bench: Bench) -> None:
    bench.disk(flags=("--read-only",))
    assert "it is read-only" in bench.refused()


def test_a_disk_too_small_for_xfs_is_refused(bench: Bench) -> None:
    bench.disk(size=200 * MIB)
    assert "XFS needs at least" in bench.refused()


def test_two_disks_with_one_serial_are_refused(bench: Bench) -> None:
    one, two = bench.disk(), bench.disk()
    text = bench.refused()
    assert "2 disks carry serial SERIAL0001" in text and one.path in text and two.path in text


def test_a_serial_nobody_has_names_the_disks_that_are_there(bench: Bench) -> None:
    disk = bench.disk()
    text = bench.refused(bench.declared("OTHER"))
    assert "no disk with serial OTHER" in text and f"{disk.path} (serial SERIAL0001" in text


def test_a_size_that_does_not_fit_is_refused(bench: Bench) -> None:
    disk = bench.disk()
    text = bench.refused(bench.declared(size_bytes=400 * MIB))
    assert f"{disk.path}" in text and f"the profile says {400 * MIB} bytes" in text


def test_a_device_node_that_is_another_disk_is_refused(bench: Bench) -> None:
    one, two = bench.disk("SERIAL0001"), bench.disk("SERIAL0002")
    nodes = bench.folder / "dev"
    nodes.mkdir()
    number = os.stat(two.path).st_rdev
    sh("mknod", nodes / one.name, "b", os.major(number), os.minor(number))
    bench.host.dev = str(nodes)
    assert "is not block device" in bench.refused()


@pytest.mark.parametrize("tool", ["blkid", "wipefs", "lsblk"])
def test_a_tool_that_is_missing_or_fails_refuses(
    bench: Bench, tool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.disk()
    real = type(bench.host).run

    def run(self: Host, *argv: str, timeout_s: float = 60) -> tuple[int, str, str]:
        if argv[0] == tool:
            return 1, "", "input/output error"
        return real(self, *argv, timeout_s=timeout_s)

    monkeypatch.setattr(type(bench.host), "run", run)
    assert f"could not tell: {tool}" in bench.refused()
