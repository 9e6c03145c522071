"""A data disk's life: blank, made, mounted, drifted, repaired, forgotten, adopted."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils import data_mount, disk_content, disk_making, disk_plan
from ansible.module_utils.blockdev import Refused, observe_disks

from tests.roles.data_disks.bench import MIB, Bench, sh

pytestmark = pytest.mark.root


def findmnt(place: str, column: str) -> str:
    return sh("findmnt", "--noheadings", "--output", column, place).strip()


def made(bench: Bench) -> str:
    """Make the bench's disk; return its filesystem's UUID."""
    bench.keep()
    return findmnt(bench.mount, "UUID")


def test_a_blank_disk_is_planned_made_and_mounted_and_then_left_alone(bench: Bench) -> None:
    disk = bench.disk()
    before = disk.hash()
    planned = bench.keep(check=True)
    assert disk.hash() == before and not Path(bench.mount).exists() and not bench.ledger.exists()
    assert "data" not in bench.fstab.read_text()
    done = bench.keep()
    assert done == planned
    assert [change["target"] for change in done] == [
        "disk SERIAL0001", bench.mount, f"{bench.fstab} {bench.mount}", f"mount {bench.mount}",
    ]
    options = findmnt(bench.mount, "OPTIONS").split(",")
    assert {"noatime", "logbufs=8", "logbsize=256k"} <= set(options)
    uuid = findmnt(bench.mount, "UUID")
    assert findmnt(bench.mount, "LABEL") == "data" and findmnt(bench.mount, "FSTYPE") == "xfs"
    line = f"UUID={uuid} {bench.mount} xfs noatime,logbufs=8,logbsize=256k,nofail 0 0\n"
    table = bench.fstab.read_text()
    assert table.startswith("# a comment stays\n/dev/nothing-of-ours / ext4 defaults 0 1\n") and table.endswith(line)
    Path(bench.mount, "thesis").write_text("years of work")
    assert bench.keep(check=True) == [] and bench.keep() == []
    assert Path(bench.mount, "thesis").read_text() == "years of work"


def test_a_disk_unmounted_is_mounted_again(bench: Bench) -> None:
    bench.disk()
    uuid = made(bench)
    sh("umount", bench.mount)
    assert [change["target"] for change in bench.keep(check=True)] == [f"mount {bench.mount}"]
    assert [change["target"] for change in bench.keep()] == [f"mount {bench.mount}"]
    assert findmnt(bench.mount, "UUID") == uuid


def test_a_line_gone_from_fstab_comes_back(bench: Bench) -> None:
    bench.disk()
    made(bench)
    whole = bench.fstab.read_text()
    bench.fstab.write_text("".join(line for line in whole.splitlines(keepends=True) if "UUID" not in line))
    assert bench.keep(check=True) == bench.keep()
    assert bench.fstab.read_text() == whole
    assert list(bench.fstab.parent.glob("fstab.firstlight-*"))


def test_a_line_changed_in_fstab_is_repaired_in_place(bench: Bench) -> None:
    bench.disk()
    made(bench)
    whole = bench.fstab.read_text() + "# last\n"
    bench.fstab.write_text(whole.replace("noatime,", ""))
    (change,) = bench.keep()
    assert "noatime" not in change["before"] and "noatime" in change["after"]
    assert bench.fstab.read_text() == whole


def test_a_remount_without_noatime_is_repaired(bench: Bench) -> None:
    bench.disk()
    made(bench)
    sh("mount", "-o", "remount,atime,relatime", bench.mount)
    planned = bench.keep(check=True)
    assert planned == [{"target": f"mount {bench.mount}", "before": "relatime", "after": "noatime"}]
    assert "relatime" in findmnt(bench.mount, "OPTIONS")
    assert bench.keep() == planned and "noatime" in findmnt(bench.mount, "OPTIONS")


def test_relatime_wanted_where_noatime_is_in_force_is_repaired(bench: Bench) -> None:
    bench.disk()
    made(bench)
    wanted = bench.declared(options=("relatime", "nosuid"))
    assert bench.keep(wanted, check=True) == bench.keep(wanted) and bench.keep(wanted) == []
    assert {"relatime", "nosuid"} <= set(findmnt(bench.mount, "OPTIONS").split(","))


def test_a_log_buffer_size_needs_an_unmount_which_a_user_prevents(bench: Bench) -> None:
    disk = bench.disk()
    made(bench)
    sh("umount", bench.mount)
    sh("mount", "-o", "noatime", disk.path, bench.mount)
    with open(f"{bench.mount}/file", "w"):
        for check in (True, False):
            with pytest.raises(Refused, match=r"logbsize=256k takes effect only when .* in use: .*process"):
                bench.keep(check=check)
    assert bench.keep(check=True) == bench.keep()
    assert "logbsize=256k" in findmnt(bench.mount, "OPTIONS") and Path(bench.mount, "file").exists()


def test_a_lost_ledger_refuses_and_says_how_to_adopt_and_adopting_keeps_everything(bench: Bench) -> None:
    disk = bench.disk()
    uuid = made(bench)
    Path(bench.mount, "model.safetensors").write_bytes(b"weights" * 1000)
    sh("umount", bench.mount)
    bench.ledger.unlink()
    text = bench.refused()
    assert f"`adopt_uuid: {uuid}`" in text
    assert "not in our ledger" in text
    wrong = bench.declared(adopt_uuid="11111111-2222-3333-4444-555555555555")
    assert "not in our ledger" in bench.refused(wrong)
    adopting = bench.declared(adopt_uuid=uuid)
    planned = bench.keep(adopting, check=True)
    assert planned[0] == {
        "target": "disk SERIAL0001", "before": "not in the ledger", "after": "in the ledger, label data",
    }
    assert not bench.ledger.exists()
    assert bench.keep(adopting) == planned
    assert Path(bench.mount, "model.safetensors").read_bytes() == b"weights" * 1000
    assert json.loads(bench.ledger.read_text())["disks"][uuid]["adopted"] is True
    assert bench.keep() == [] and bench.keep(adopting) == [] and disk.path in findmnt(bench.mount, "SOURCE")


def test_a_disk_of_ours_that_reads_blank_is_not_made_again(bench: Bench) -> None:
    disk = bench.disk()
    uuid = made(bench)
    sh("umount", bench.mount)
    sh("blkdiscard", disk.path)
    assert f"the ledger says that it holds our filesystem {uuid}, but blkid sees no filesystem" in bench.refused()


def test_a_copy_of_our_disk_on_another_disk_is_refused(bench: Bench) -> None:
    disk, other = bench.disk(), bench.disk("SERIAL0002")
    made(bench)
    sh("umount", bench.mount)
    sh("cp", "--sparse=always", disk.path, other.image)
    assert "this is a copy, or the disk was moved" in bench.refused(bench.declared("SERIAL0002"))
    assert f"{other.path} carries the same filesystem UUID" in bench.refused()


def test_another_label_than_the_profiles_is_refused(bench: Bench) -> None:
    bench.disk()
    made(bench)
    sh("umount", bench.mount)
    assert "its label is 'data', the profile says 'fast'" in bench.refused(bench.declared(label="fast"))


def test_a_disk_of_ours_mounted_elsewhere_is_refused(bench: Bench) -> None:
    bench.disk()
    made(bench)
    other = str(bench.folder / "other")
    with pytest.raises(Refused, match=re.escape(f"mounted at {bench.mount}, the profile says {other}")):
        bench.keep(bench.declared(mount=other))


def test_a_disk_that_changes_between_plan_and_apply_is_refused(bench: Bench) -> None:
    disk = bench.disk()
    assert bench.keep(check=True)
    disk.write(123 * MIB + 5, b"somebody was quicker")
    assert f"byte {123 * MIB + 5}" in bench.refused()


def test_a_disk_that_changes_between_the_decision_and_mkfs_is_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = bench.disk()
    make, hashes = disk_making.make, []

    def late(*given: object) -> str:
        disk.write(200 * MIB, b"just now")
        hashes.append(disk.hash())
        return make(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(disk_making, "make", late)
    with pytest.raises(Refused, match=f"byte {200 * MIB} "):
        bench.keep()
    assert hashes == [disk.hash()] and not bench.ledger.exists()


def test_a_signature_that_appears_after_the_last_guard_stops_mkfs_itself(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = bench.disk()
    mkfs, hashes = disk_making._mkfs, []

    def late(*given: object) -> None:
        sh("mkfs.ext4", "-q", "-F", disk.path)
        hashes.append(disk.hash())
        mkfs(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(disk_making, "_mkfs", late)
    with pytest.raises(Refused, match=r"mkfs\.xfs refused"):
        bench.keep()
    assert hashes == [disk.hash()]


def test_one_refused_disk_leaves_all_disks_alone(bench: Bench) -> None:
    bench.disk("SERIAL0001")
    bad = bench.disk("SERIAL0002")
    bad.write(100, b"data")
    text = bench.refused(bench.declared(), bench.declared("SERIAL0002", mount=f"{bench.mount}2", label="second"))
    assert "SERIAL0002" in text and not bench.ledger.exists() and not Path(bench.mount).exists()


def test_two_disks_one_below_the_other_are_both_mounted(bench: Bench) -> None:
    bench.disk("SERIAL0001")
    bench.disk("SERIAL0002")
    both = (bench.declared("SERIAL0002", mount=f"{bench.mount}/deep", label="deep"), bench.declared())
    planned = bench.keep(*both, check=True)
    assert bench.keep(*both) == planned and bench.keep(*both) == []
    assert findmnt(f"{bench.mount}/deep", "LABEL") == "deep" and findmnt(bench.mount, "LABEL") == "data"


@pytest.mark.parametrize(("other", "reason"), [
    ({"label": "data", "mount": "/m2"}, "label data to two"), ({"label": "b"}, "mount point .* to two"),
    ({"serial": "SERIAL0001", "label": "b", "mount": "/m2"}, "serial SERIAL0001 to two"),
    ({"label": "b", "mount": "/m2", "options": ("noatime,ro",)}, "'noatime,ro' is not one mount option"),
])
def test_contradicting_declarations_are_refused(bench: Bench, other: dict[str, Any], reason: str) -> None:
    bench.disk()
    with pytest.raises(Refused, match=reason):
        bench.keep(bench.declared(), bench.declared(**({"serial": "SERIAL0002"} | other)))


def test_a_mount_point_with_files_a_link_or_a_foreign_mount_is_refused(bench: Bench) -> None:
    bench.disk()
    place = Path(bench.mount)
    place.mkdir()
    (place / "notes.txt").write_text("mine")
    assert "is not empty (notes.txt)" in bench.refused()
    (place / "notes.txt").unlink()
    sh("mount", "-t", "tmpfs", "none", place)
    assert "none (tmpfs) is mounted there" in bench.refused()
    sh("umount", place)
    place.rmdir()
    place.symlink_to("/tmp")
    assert "is a symbolic link to /tmp" in bench.refused()
    place.unlink()
    place.write_text("a file")
    assert "is not a directory" in bench.refused()


def test_a_mount_point_fstab_gives_to_another_is_refused(bench: Bench) -> None:
    bench.disk()
    bench.fstab.write_text(f"UUID=0-other {bench.mount} ext4 defaults 0 0\n")
    assert f"already mounts UUID=0-other at {bench.mount}" in bench.refused()


def test_an_fstab_that_is_a_link_is_refused(bench: Bench) -> None:
    bench.disk()
    bench.fstab.rename(bench.folder / "real")
    bench.fstab.symlink_to(bench.folder / "real")
    assert "is a symbolic link" in bench.refused()


def test_a_broken_ledger_refuses_with_line_and_column(bench: Bench) -> None:
    bench.disk()
    bench.ledger.parent.mkdir()
    bench.ledger.write_text('{"schema": 1,\n "disks": {]}')
    assert f"{bench.ledger}:2:12: " in bench.refused()
    bench.ledger.write_text('{"schema": 7, "disks": {}}')
    assert "not a ledger this version understands" in bench.refused()


def test_a_mount_that_fails_puts_fstab_back_and_the_next_run_finishes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.disk()
    table, real = bench.fstab.read_text(), type(bench.host).run

    def run(self: object, *argv: str, timeout_s: float = 60) -> tuple[int, str, str]:
        if argv[0] == "mount":
            return 32, "", "mount: wrong fs type"
        return real(self, *argv, timeout_s=timeout_s)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(type(bench.host), "run", run)
        with pytest.raises(Refused, match="wrong fs type"):
            bench.keep()
    assert bench.fstab.read_text() == table
    assert [change["target"].split()[0] for change in bench.keep()] == [str(bench.fstab), "mount"]


def test_a_mount_that_a_killed_run_finished_meanwhile_is_well(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.disk()
    made(bench)
    sh("umount", bench.mount)
    real = type(bench.host).run

    def run(self: object, *argv: str, timeout_s: float = 60) -> tuple[int, str, str]:
        if argv[0] == "mount":
            sh(*argv)
        return real(self, *argv, timeout_s=timeout_s)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(type(bench.host), "run", run)
        assert [change["target"] for change in bench.keep()] == [f"mount {bench.mount}"]
    assert Path("/proc/self/mounts").read_text().count(f" {bench.mount} ") == 1 and bench.keep() == []


def test_data_in_the_middle_of_a_large_disk_is_seen(bench: Bench) -> None:
    size = 64 << 30
    disk = bench.disk(size=size)
    found = next(one for one in observe_disks(bench.host) if one.path == disk.path)
    places = (size // 2 + 100, size // 4 + 12, 64 * MIB + 3, 128 * MIB, size - 9 * MIB, 15 * MIB)
    with open(disk.path, "rb") as stream:
        assert disk_content.guard_zero(bench.host, found, stream.fileno()) == ""
        for place in places:
            disk.write(place, b"\x01")
            assert f"byte {place} " in disk_content.guard_zero(bench.host, found, stream.fileno())
            disk.write(place, b"\x00")


def test_check_mode_opens_no_disk_for_writing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.disk()
    flags, real = [], os.open

    def note(path: str, how: int, *rest: int, **others: int) -> int:
        flags.append((str(path), how & os.O_ACCMODE))
        return real(path, how, *rest, **others)

    monkeypatch.setattr(os, "open", note)
    bench.keep(check=True)
    opened = [how for path, how in flags if path.startswith("/dev/loop")]
    assert opened and set(opened) == {os.O_RDONLY}


def test_options_in_force_are_compared_as_the_kernel_shows_them() -> None:
    have = ["rw", "relatime", "inode64", "logbufs=8", "logbsize=32k"]
    wanted = ["noatime", "logbufs=8", "logbsize=262144", "nofail", "exec", "defaults", "x-foo", "nosuid"]
    assert data_mount.missing_options(wanted, have) == ["noatime", "logbsize=262144", "nosuid"]
    assert data_mount.differing(wanted, have) == "relatime, logbsize=32k, no nosuid"
    assert disk_plan.Declared("", "W", None, "l", "/m", ()).said() == "data disk W"
