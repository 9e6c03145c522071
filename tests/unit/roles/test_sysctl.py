from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.ansible_modules import load_module

sysctl = load_module("sysctl_dropin")
from ansible.module_utils import sysctl_files  # noqa: E402
from ansible.module_utils.dropins import Setting, overridden, read_after, read_order  # noqa: E402


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("vm.swappiness", "vm/swappiness"),
        ("net/ipv4/conf/eth0.1/forwarding", "net/ipv4/conf/eth0.1/forwarding"),
        ("net.ipv4.conf.eth0/1.forwarding", "net/ipv4/conf/eth0.1/forwarding"),
    ],
)
def test_a_keys_first_separator_decides_how_it_is_read(key: str, path: str) -> None:
    assert sysctl_files.proc_name(key) == path


def test_files_are_read_by_name_over_all_folders_and_etc_masks_usr(tmp_path: Path) -> None:
    etc, usr = tmp_path / "etc", tmp_path / "usr"
    for folder, names in ((etc, ("99-a.conf", "10-b.conf")), (usr, ("50-c.conf", "10-b.conf", "README", ".x.conf"))):
        folder.mkdir()
        for name in names:
            (folder / name).write_text("")
    order = read_order([str(etc), str(usr), str(tmp_path / "absent")])
    assert order == [f"{etc}/10-b.conf", f"{usr}/50-c.conf", f"{etc}/99-a.conf"]


def test_only_files_that_sort_after_ours_are_read_after_it(tmp_path: Path) -> None:
    for name in ("10-a.conf", "60-firstlight.conf", "60-z.conf", "zz-firstlight.conf", "99-b.conf"):
        (tmp_path / name).write_text("")
    ours, last = (f"{tmp_path}/{name}" for name in ("60-firstlight.conf", "zz-firstlight.conf"))
    assert read_after([str(tmp_path)], ours, ignored=last) == [f"{tmp_path}/60-z.conf", f"{tmp_path}/99-b.conf"]


def test_comments_patterns_and_exclusions_are_no_assignments() -> None:
    text = "# a = 1\n; b = 2\n-net.core.x = 3\nnet.*.y = 4\n-vm.z\n\nvm.swappiness=10\n"
    found = sysctl_files.settings("f", text)
    assert [(item.line, item.key, item.value) for item in found] == [(3, "net/core/x", "3"), (7, "vm/swappiness", "10")]


def test_a_masked_file_sets_nothing(tmp_path: Path) -> None:
    os.symlink("/dev/null", tmp_path / "99-a.conf")
    assert sysctl_files.configured([str(tmp_path)], set()) == {}


def test_the_last_file_that_says_otherwise_is_named() -> None:
    later = [Setting("a", 1, "vm/swappiness", "60"), Setting("b", 2, "vm/swappiness", "1"), Setting("b", 3, "x", "1")]
    assert overridden(later, {"vm/swappiness": "10"}, sysctl_files.same) == {"vm/swappiness": later[1]}


def test_a_later_file_that_agrees_is_no_override() -> None:
    later = [Setting("a", 1, "net/ipv4/tcp_rmem", "4096\t1 2")]
    assert overridden(later, {"net/ipv4/tcp_rmem": "4096 1 2"}, sysctl_files.same) == {}


@pytest.mark.parametrize(
    ("live", "elsewhere", "wanted"),
    [("1048576", None, "2000000"), ("1073741816", None, "1073741816"), (None, None, "2000000"),
     ("1048576", "3000000", "3000000")],
)
def test_a_floor_is_never_lowered(live: str | None, elsewhere: str | None, wanted: str) -> None:
    other = None if elsewhere is None else Setting("f", 1, "fs/nr_open", elsewhere)
    assert sysctl_files.floor("fs.nr_open", 2_000_000, live, other) == wanted


@pytest.mark.parametrize(
    ("ours", "live", "elsewhere", "wanted"),
    [("2000000", "3000000", None, "2000000"), ("1048576", "1048576", None, "2000000"),
     ("2000000", "2000000", "4000000", "4000000"), ("many", "3000000", None, "3000000")],
)
def test_a_floor_our_file_keeps_already_is_not_rewritten(
    ours: str, live: str, elsewhere: str | None, wanted: str
) -> None:
    other = None if elsewhere is None else Setting("f", 1, "fs/nr_open", elsewhere)
    kept = Setting("60", 1, "fs/nr_open", ours)
    assert sysctl_files.floor("fs.nr_open", 2_000_000, live, other, kept) == wanted


def test_a_floor_is_not_lowered_live() -> None:
    wanted = sysctl.Wanted({"a": "5", "b": "5"}, {"a": "9", "b": "2"}, {}, (), frozenset({"a", "b"}))
    assert set(sysctl.live_changes(wanted)) == {"b"}


def test_a_floor_that_is_no_number_is_an_error_that_names_the_key() -> None:
    with pytest.raises(ValueError, match=r"net\.x is a floor"):
        sysctl_files.floor("net.x", 1, "1 2 3", None)


def test_a_key_this_kernel_lacks_reads_as_none(tmp_path: Path) -> None:
    (tmp_path / "vm").mkdir()
    (tmp_path / "vm/swappiness").write_text("60\n")
    assert sysctl_files.read_live(str(tmp_path), "vm.swappiness") == "60"
    assert sysctl_files.read_live(str(tmp_path), "vm.nothing") is None
    assert sysctl_files.read_live(str(tmp_path), "vm.swappiness.deeper") is None


def test_live_changes_leave_out_what_holds_and_what_does_not_exist() -> None:
    wanted = sysctl.Wanted(
        {"a": "1", "b": "2", "c": "3"}, {"a": "1", "b": "7", "c": None}, files={}, winners=()
    )
    assert sysctl.live_changes(wanted) == {"b": {"target": "b", "before": "7", "after": "2"}}
