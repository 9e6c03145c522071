from __future__ import annotations

import os
import socket
import time

import pytest

from agent.machine.local import LocalMachine
from agent.model.errors import Missing, Unobservable

MACHINE = LocalMachine()


def test_files_of_proc_and_sys_are_read_although_they_have_no_size():
    assert MACHINE.read("/proc/sys/kernel/ostype") == "Linux\n"
    assert MACHINE.status("/proc/meminfo").size_bytes == 0
    assert "MemTotal" in MACHINE.read("/proc/meminfo")


def test_a_file_is_read_up_to_the_limit(tmp_path):
    (tmp_path / "x").write_bytes(b"\xff" + b"a" * 300_000)
    assert len(MACHINE.read_bytes(f"{tmp_path}/x")) == 300_001
    assert MACHINE.read_bytes(f"{tmp_path}/x", limit_bytes=3) == b"\xffaa"
    assert MACHINE.read(f"{tmp_path}/x", limit_bytes=3) == "\ufffdaa"


@pytest.mark.parametrize(
    "ask", [MACHINE.read, MACHINE.read_bytes, MACHINE.listing, MACHINE.status, MACHINE.space])
def test_what_is_not_there_is_missing_by_name(ask, tmp_path):
    (tmp_path / "file").write_text("")
    for path in (f"{tmp_path}/absent", f"{tmp_path}/file/below"):
        with pytest.raises(Missing, match=f"{path}: does not exist"):
            ask(path)
        assert MACHINE.exists(path) is False


def test_nothing_but_a_regular_file_is_read_and_nothing_is_waited_for(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        started = time.monotonic()
        for path, said in ((f"{tmp_path}/fifo", "it is a fifo"), ("/dev/zero", "it is a char"),
                           (str(tmp_path), "it is a directory"), (f"{tmp_path}/socket", "No such device")):
            with pytest.raises(Unobservable, match=said) as caught:
                MACHINE.read(path)
            assert not isinstance(caught.value, Missing)
        assert time.monotonic() - started < 1


def test_a_status_does_not_follow_links_but_reading_does(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "file").chmod(0o640)
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "broken").symlink_to("absent")
    link, file = MACHINE.status(f"{tmp_path}/link"), MACHINE.status(f"{tmp_path}/file")
    assert (link.kind, link.target) == ("link", "file")
    assert (file.kind, file.mode) == ("file", 0o640)
    assert MACHINE.read(f"{tmp_path}/link") == "x"
    assert MACHINE.status(f"{tmp_path}/broken").kind == "link" and not MACHINE.exists(f"{tmp_path}/broken")


def test_a_listing_is_sorted_and_a_file_has_none(tmp_path):
    for name in "bca":
        (tmp_path / name).write_text("")
    assert MACHINE.listing(str(tmp_path)) == ("a", "b", "c")
    with pytest.raises(Unobservable, match="is not a directory") as caught:
        MACHINE.listing(f"{tmp_path}/a")
    assert not isinstance(caught.value, Missing)


def test_space_is_that_of_the_filesystem():
    space, seen = MACHINE.space("/"), os.statvfs("/")
    assert space.total_bytes == seen.f_blocks * seen.f_frsize
    assert 0 <= space.available_bytes <= space.total_bytes


def test_what_may_not_be_read_is_unobservable_and_not_missing(open_folder, as_nobody):
    (open_folder / "x").write_text("")
    (open_folder / "x").chmod(0)
    with as_nobody(), pytest.raises(Unobservable, match=r"cannot be read: Permission denied") as caught:
        MACHINE.read(f"{open_folder}/x")
    assert not isinstance(caught.value, Missing)


def test_whether_something_stands_in_a_closed_folder_cannot_be_told(open_folder, as_nobody):
    (open_folder / "closed").mkdir(mode=0)
    with as_nobody(), pytest.raises(Unobservable, match="Permission denied"):
        MACHINE.exists(f"{open_folder}/closed/x")


def test_a_link_that_leads_to_itself_is_unobservable(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(Unobservable, match="Too many levels of symbolic links"):
        MACHINE.exists(f"{tmp_path}/loop")
