"""Room, inodes, and filesystems that became read-only."""

from __future__ import annotations

import pytest

from agent.machine.api import Space
from checks.storage import disk_space, inodes, read_only
from tests.checks.findings import DENIED, found, only, verdicts
from tests.fixtures import FakeMachine

ROOT = "1 0 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"
DATA = "2 1 8:16 / /data rw - xfs /dev/sdb rw\n"
NOISE = ("3 1 0:5 / /proc rw - proc proc rw\n4 1 0:6 / /run rw - tmpfs tmpfs rw\n"
         "5 1 7:0 / /snap/x ro - squashfs /dev/loop0 ro\n")


def room(percent: float, inodes_percent: float = 50) -> Space:
    return Space(1_000_000, int(10_000 * percent), 100_000, int(1000 * inodes_percent))


def disks(mounts: str = ROOT + DATA + NOISE, **spaces: Space) -> FakeMachine:
    given = {f"/{name}" if name != "root" else "/": space for name, space in spaces.items()}
    return FakeMachine({"/proc/self/mountinfo": mounts}, spaces=given, folders=["/data"])


@pytest.mark.parametrize(("free", "verdict"), [(50, "pass"), (10, "pass"), (9, "warn"), (4.9, "fail"), (1, "fail")])
def test_each_filesystem_is_judged_by_its_free_share(free, verdict):
    assert verdicts(disk_space.CHECK, disks(root=room(50), data=room(free))) == [("pass", "/"), (verdict, "/data")]


def test_a_data_disk_has_a_share_of_its_own():
    wanted = {"storage": {"data_disks": {"disks": [{"serial": "S", "label": "d", "mount": "/data"}]}}}
    seen = disks(root=room(7), data=room(7))
    assert verdicts(disk_space.CHECK, seen, **wanted) == [("warn", "/"), ("pass", "/data")]


def test_bind_mounts_and_single_files_are_not_counted_again():
    more = ("6 1 8:1 /srv /srv rw - ext4 /dev/sda1 rw\n7 1 8:3 /c/hosts /etc/hosts rw - ext4 /dev/sda3 rw\n"
            "8 1 8:4 /volume /work rw - ext4 /dev/sda4 rw\n")
    seen = FakeMachine({"/proc/self/mountinfo": ROOT + more, "/etc/hosts": ""}, folders=["/srv", "/work"],
                       spaces={"/": room(50)})
    assert verdicts(disk_space.CHECK, seen) == [("pass", "/"), ("pass", "/work")]


def test_a_container_root_is_counted_whatever_it_is():
    overlay = "1 0 0:59 / / rw - overlay overlay rw\n"
    assert verdicts(disk_space.CHECK, disks(overlay, root=room(1))) == [("fail", "/")]


def test_a_filesystem_that_cannot_be_measured_is_unknown_and_the_others_go_on():
    seen = disks(root=room(50), data=room(50))
    seen.errors["/data"] = DENIED
    assert verdicts(disk_space.CHECK, disks(root=room(50))) == [("pass", "/"), ("pass", "/data")]
    assert ("unknown", "/data") in verdicts(disk_space.CHECK, FakeMachine(
        {"/proc/self/mountinfo": ROOT + DATA}, spaces={"/": room(50)}, errors={"/data": DENIED}))


EXT4 = DATA.replace("xfs", "ext4")


@pytest.mark.parametrize(("free", "expected"), [
    (50, [("pass", "")]), (7, [("warn", "/data")]), (2, [("fail", "/data")]),
])
def test_inodes_are_judged_by_their_free_share(free, expected):
    assert verdicts(inodes.CHECK, disks(ROOT + EXT4, root=room(50), data=room(50, free))) == expected


def test_a_full_xfs_is_reported_by_disk_space_alone():
    seen = disks(root=room(50), data=room(1, 1))
    assert verdicts(inodes.CHECK, seen) == [("pass", "")]
    assert ("fail", "/data") in verdicts(disk_space.CHECK, seen)


def test_a_filesystem_without_an_inode_table_is_not_applicable():
    assert only(inodes.CHECK, disks(ROOT, root=Space(100, 50, 0, 0))).verdict == "not-applicable"
    assert only(inodes.CHECK, disks(DATA, data=room(50))).verdict == "not-applicable"


def test_inodes_that_nobody_could_count_are_unknown():
    seen = FakeMachine({"/proc/self/mountinfo": ROOT}, errors={"/": DENIED})
    assert only(inodes.CHECK, seen).verdict == "unknown"


FSTAB = "/dev/sda1 / ext4 errors=remount-ro 0 1\nUUID=1 /data xfs noatime 0 0\nUUID=2 /iso xfs ro 0 0\n"


@pytest.mark.parametrize(("mounts", "expected"), [
    (ROOT + DATA, [("pass", "")]),
    (ROOT + DATA.replace("rw - xfs", "ro - xfs"), [("fail", "/data")]),
    (ROOT.replace("/dev/sda1 rw", "/dev/sda1 ro") + DATA, [("fail", "/")]),
    (ROOT + DATA.replace("/data", "/iso").replace("rw", "ro"), [("pass", "")]),
])
def test_only_what_fstab_wants_writable_must_be(mounts, expected):
    seen = FakeMachine({"/proc/self/mountinfo": mounts, "/etc/fstab": FSTAB})
    assert verdicts(read_only.CHECK, seen) == expected


def test_the_root_filesystem_counts_without_fstab():
    seen = FakeMachine({"/proc/self/mountinfo": ROOT.replace("rw,relatime", "ro")})
    assert verdicts(read_only.CHECK, seen) == [("fail", "/")]
    assert only(read_only.CHECK, FakeMachine({"/proc/self/mountinfo": ""})).verdict == "not-applicable"


@pytest.mark.parametrize("check", [disk_space, inodes, read_only])
def test_unreadable_mounts_are_unknown_never_pass(check):
    seen = FakeMachine(errors={"/proc/self/mountinfo": DENIED})
    assert [finding.verdict for finding in found(check.CHECK, seen)] == ["unknown"]
