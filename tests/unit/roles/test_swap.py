from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.ansible_modules import load_module

load_module("swap_file")
from ansible.module_utils import swap_state  # noqa: E402
from ansible.module_utils.swap_state import Area, Plan, SwapFile  # noqa: E402

OURS, GIB = "/swap.img", 1 << 30
FILE = SwapFile(4 * GIB, 0o600, True)
PROC = """Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority
/swap\\040file                          file\t\t4194300\t\t1024\t\t-2
/dev/zram0                              partition\t8388604\t\t0\t\t100
"""


def test_compressed_memory_is_not_swap_space() -> None:
    assert swap_state.parse_active(PROC) == [Area("/swap file", 4194300 << 10, 1 << 20)]


@pytest.mark.parametrize("size", [4 * GIB, int(3.7 * GIB)])
def test_swap_of_about_the_right_size_is_adopted(size: int) -> None:
    assert swap_state.judge(4 * GIB, OURS, [Area("/dev/sda3", size)], [], None) == Plan()


def test_swap_in_fstab_that_is_off_is_switched_on() -> None:
    boot = [Area("/dev/sda3", 4 * GIB)]
    assert swap_state.judge(4 * GIB, OURS, [], boot, None) == Plan(swapon=("/dev/sda3",))


def test_without_swap_a_file_is_made() -> None:
    assert swap_state.judge(4 * GIB, OURS, [], [], None) == Plan(create=True, fstab=True, swapon=(OURS,))


def test_a_lost_file_that_fstab_still_names_is_made_again_and_switched_on_once() -> None:
    plan = swap_state.judge(4 * GIB, OURS, [], [Area(OURS, 0)], None)
    assert plan == Plan(create=True, fstab=False, swapon=(OURS,))


def test_a_file_that_is_not_swap_is_never_overwritten() -> None:
    plan = swap_state.judge(4 * GIB, OURS, [], [], SwapFile(100, 0o644, False))
    assert plan.refusal
    assert not plan.create


def test_a_converged_machine_needs_nothing() -> None:
    assert swap_state.judge(4 * GIB, OURS, [Area(OURS, 4 * GIB)], [Area(OURS, 4 * GIB)], FILE) == Plan()


def test_a_lost_fstab_line_and_an_open_mode_are_put_right() -> None:
    plan = swap_state.judge(4 * GIB, OURS, [Area(OURS, 4 * GIB)], [], SwapFile(4 * GIB, 0o644, True))
    assert plan == Plan(chmod=True, fstab=True)


def test_a_small_file_grows_only_while_nothing_is_in_it() -> None:
    boot, small = [Area(OURS, GIB)], SwapFile(GIB, 0o600, True)
    unused = swap_state.judge(4 * GIB, OURS, [Area(OURS, GIB)], boot, small)
    used = swap_state.judge(4 * GIB, OURS, [Area(OURS, GIB, used_bytes=4096)], boot, small)
    assert unused.recreate
    assert not used.recreate
    assert not used.create
    assert "in use" in used.warning


@pytest.mark.parametrize(
    ("free", "total", "fits"),
    [(10 * GIB, 20 * GIB, True), (5 * GIB, 20 * GIB, False), (10 * GIB, 999 * GIB, True), (8 * GIB, 999 * GIB, False)],
)
def test_a_tenth_or_five_gib_stay_free(free: int, total: int, fits: bool) -> None:
    assert (swap_state.room_error(OURS, 4 * GIB, free, total) == "") is fits


def test_a_signature_makes_a_file_a_swap_file(tmp_path: Path) -> None:
    page = os.sysconf("SC_PAGE_SIZE")
    (tmp_path / "swap").write_bytes(bytes(page - 10) + b"SWAPSPACE2")
    (tmp_path / "data").write_bytes(bytes(page))
    assert swap_state.find_file(f"{tmp_path}/swap") == SwapFile(page, (tmp_path / "swap").stat().st_mode & 0o777, True)
    data = swap_state.find_file(f"{tmp_path}/data")
    assert data is not None
    assert not data.is_swap
    assert swap_state.find_file(f"{tmp_path}/nothing") is None


def test_a_folder_in_the_files_place_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a plain file"):
        swap_state.find_file(str(tmp_path))


def test_noauto_lines_are_not_used_at_boot() -> None:
    text = "/a none swap sw 0 0\n/b none swap sw,noauto 0 0\n# /c none swap sw 0 0\nUUID=x / ext4 defaults 0 1\n"
    assert [entry.spec for entry in swap_state.configured(text)] == ["/a"]
