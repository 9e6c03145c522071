from __future__ import annotations

import pytest

from agent.machine.mounts import (
    containing_mount,
    find_mount,
    missing_options,
    observe_fstab,
    observe_swaps,
    parse_fstab,
    parse_mountinfo,
    parse_swaps,
)
from tests.fixtures import FakeMachine

TEXT = (
    "27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard\n"
    "28 27 8:1 / /my\\040disk rw,noatime master:2 shared:3 - xfs /dev/sda1 rw,logbufs=8\n"
    "29 27 8:2 / /data rw - xfs /dev/sdb rw\n30 29 8:3 / /data ro - xfs /dev/sdc rw\nnonsense\n"
)


def test_optional_fields_and_escapes_are_understood():
    mounts = parse_mountinfo(TEXT)
    assert [mount.point for mount in mounts] == ["/", "/my disk", "/data", "/data"]
    assert mounts[1].all_options == ("rw", "noatime", "logbufs=8")
    assert mounts[1].device == "8:1"


def test_the_topmost_mount_counts():
    mount = find_mount(parse_mountinfo(TEXT), "/data")
    assert mount is not None
    assert (mount.source, mount.read_only) == ("/dev/sdc", True)
    assert find_mount(parse_mountinfo(TEXT), "/none") is None


@pytest.mark.parametrize(("path", "source"), [
    ("/data/x", "/dev/sdc"), ("/database", "/dev/vda"), ("/my disk", "/dev/sda1"), ("/", "/dev/vda"),
])
def test_a_path_is_held_by_the_longest_mount_point(path, source):
    mount = containing_mount(parse_mountinfo(TEXT), path)
    assert mount is not None
    assert mount.source == source


def test_fstab_lines_keep_their_number_and_text():
    entries = parse_fstab("# x\n\nUUID=1 /my\\040disk xfs noatime,nofail 0 0\nshort line\n/dev/x none swap\n")
    assert [(entry.line, entry.point, entry.options) for entry in entries] == [
        (3, "/my disk", ("noatime", "nofail")), (5, "none", ("defaults",))]
    assert observe_fstab(FakeMachine()) == []


def test_swap_sizes_are_bytes():
    text = "Filename Type Size Used Priority\n/swap\\040file file 4096 1024 -2\n"
    (swap,) = parse_swaps(text)
    assert (swap.path, swap.size_bytes, swap.used_bytes) == ("/swap file", 4 << 20, 1 << 20)
    assert observe_swaps(FakeMachine()) == []


@pytest.mark.parametrize(("wanted", "in_force", "missing"), [
    (["noatime", "logbsize=256k"], ["rw", "noatime", "logbsize=262144"], []),
    (["noatime"], ["rw", "relatime"], ["noatime"]),
    (["nofail", "defaults", "x-systemd.device-timeout=10s", "_netdev"], ["rw"], []),
    (["rw", "exec"], ["ro", "noexec"], ["rw", "exec"]),
    (["strictatime"], ["rw"], []), (["strictatime"], ["rw", "relatime"], ["strictatime"]),
])
def test_options_are_compared_as_the_kernel_shows_them(wanted, in_force, missing):
    assert missing_options(wanted, in_force) == missing
