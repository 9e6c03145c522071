"""The data disks of the profile: there, mounted, with their options, and in fstab."""

from __future__ import annotations

import pytest

from checks.storage import data_disks, fstab, mount_options
from tests.checks.findings import DENIED, only, verdicts
from tests.fixtures import FakeMachine

DISK = {"serial": "S1", "label": "data", "mount": "/data"}
WANTED = {"storage": {"data_disks": {"disks": [DISK]}}}
BLOCK = {"/sys/block/vdb/size": "4096\n", "/sys/block/vdb/dev": "254:16\n", "/sys/block/vdb/serial": "S1\n",
         "/sys/block/sda/size": "8192\n", "/sys/block/sda/dev": "8:0\n"}
MOUNTED = "40 1 254:16 / /data rw,noatime - xfs /dev/vdb rw,inode64,logbufs=8,logbsize=256k,noquota\n"
LINE = "UUID=11-22 /data xfs noatime,logbufs=8,logbsize=256k,nofail 0 0\n"


def machine(mounts: str = MOUNTED, table: str = LINE, **block: str) -> FakeMachine:
    return FakeMachine({**BLOCK, **block, "/proc/self/mountinfo": mounts, "/etc/fstab": table})


def test_a_mounted_disk_with_its_options_and_line_passes_everywhere():
    for check in (data_disks, mount_options, fstab):
        assert verdicts(check.CHECK, machine(), **WANTED) == [("pass", "/data")]


@pytest.mark.parametrize(("seen", "word"), [
    (machine(mounts=""), "not mounted"),
    (machine(mounts=MOUNTED.replace("254:16", "8:0").replace("vdb", "sda")), "/dev/sda, not data disk"),
    (machine(mounts=MOUNTED.replace("- xfs", "- ext4")), "is ext4"),
    (machine(**{"/sys/block/vdb/serial": "OTHER"}), "is not in this machine"),
    (machine(**{"/sys/block/sda/device/serial": "S1"}), "2 disks carry"),
])
def test_a_disk_that_is_not_where_it_belongs_fails_and_says_how(seen, word):
    finding = only(data_disks.CHECK, seen, **WANTED)
    assert (finding.verdict, finding.subject) == ("fail", "/data")
    assert word in finding.summary


@pytest.mark.parametrize(("wanted", "files"), [
    ({"serial": "S2"}, {"/run/udev/data/b254:16": "S:disk/by-id/x\nE:ID_SERIAL_SHORT=S2\n"}),
    ({"serial": "", "wwn": "0x5000C500"}, {"/sys/block/vdb/device/wwid": "naa.5000c500\n"}),
    ({"serial": "S1", "size": 4096 * 512}, {}),
])
def test_a_disk_is_known_by_udev_serial_wwn_and_size(wanted, files):
    assert only(data_disks.CHECK, machine(**files),
                storage={"data_disks": {"disks": [DISK | wanted]}}).verdict == "pass"


def test_another_size_is_another_disk():
    assert (
        only(data_disks.CHECK, machine(), storage={"data_disks": {"disks": [DISK | {"size": 512}]}}).verdict == "fail"
    )


@pytest.mark.parametrize(("mounts", "lost"), [
    (MOUNTED.replace("noatime", "relatime"), "without noatime."),
    (MOUNTED.replace("logbsize=256k", "logbsize=32k"), "without logbsize=256k."),
])
def test_an_option_not_in_force_fails(mounts, lost):
    finding = only(mount_options.CHECK, machine(mounts), **WANTED)
    assert (finding.verdict, finding.remedy.role) == ("fail", "data_disks")
    assert lost in finding.summary


def test_the_same_size_in_other_words_is_in_force():
    assert only(mount_options.CHECK, machine(MOUNTED.replace("256k", "262144")), **WANTED).verdict == "pass"


def test_options_of_an_unmounted_disk_are_not_applicable():
    assert only(mount_options.CHECK, machine(""), **WANTED).verdict == "not-applicable"


@pytest.mark.parametrize(
    ("table", "word"),
    [
        ("", "no line"),
        ("#" + LINE, "no line"),
        (LINE + LINE, "2 lines"),
        (LINE.replace(",nofail", ""), "lacks nofail"),
        (LINE.replace("noatime,", ""), "lacks noatime"),
        (LINE.replace("UUID=11-22", "/dev/vdb"), "by /dev/vdb"),
        (LINE.replace("xfs", "ext4"), "says ext4"),
    ],
)
def test_a_line_that_does_not_bring_the_disk_back_fails(table, word):
    finding = only(fstab.CHECK, machine(table=table), **WANTED)
    assert finding.verdict == "fail"
    assert word in finding.summary


@pytest.mark.parametrize(("check", "path"), [
    (data_disks, "/proc/self/mountinfo"), (data_disks, "/sys/block"), (mount_options, "/proc/self/mountinfo"),
    (fstab, "/etc/fstab"),
])
def test_unobservable_is_unknown_never_pass(check, path):
    seen = machine()
    seen.errors[path] = DENIED
    assert only(check.CHECK, seen, **WANTED).verdict == "unknown"


@pytest.mark.parametrize("check", [data_disks, mount_options, fstab])
def test_without_data_disks_nothing_is_looked_at(check):
    seen = machine()
    assert only(check.CHECK, seen).verdict == "not-applicable"
    assert seen.asked == []
