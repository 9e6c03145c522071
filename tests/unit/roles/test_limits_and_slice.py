from __future__ import annotations

import pytest

from tests.ansible_modules import load_module

limits = load_module("limits_files")
slices = load_module("slice_unit")
from ansible.module_utils.dropins import Setting, ini_settings, overridden  # noqa: E402


def test_root_gets_lines_of_its_own_because_the_star_does_not_mean_root() -> None:
    assert set(limits.pam_values(5000, None)) == {
        "* soft nofile", "* hard nofile", "root soft nofile", "root hard nofile",
    }


def test_a_dash_in_limits_d_counts_as_soft_and_hard() -> None:
    found = limits.pam_settings("f", "# x\n* - nofile 1024 # why\nbroken line\n")
    assert [(item.line, item.key, item.value) for item in found] == [
        (2, "* soft nofile", "1024"), (2, "* hard nofile", "1024"),
    ]


def test_another_users_limit_is_no_override_of_ours() -> None:
    later = limits.pam_settings("f", "alice hard nofile 1024\n")
    assert overridden(later, limits.pam_values(5000, None), limits.same_limit) == {}


@pytest.mark.parametrize(("one", "other"), [("unlimited", "-1"), ("infinity", "unlimited"), ("64", "64")])
def test_words_for_no_limit_mean_the_same(one: str, other: str) -> None:
    assert limits.same_limit(one, other)
    assert not limits.same_limit(one, "1024")


def test_one_number_means_soft_and_hard() -> None:
    assert limits.same_default("5000", "5000:5000")
    assert not limits.same_default("1024:5000", "5000:5000")


def test_memlock_reaches_pam_and_systemd() -> None:
    assert limits.pam_values(5000, "64")["root hard memlock"] == "64"
    assert limits.systemd_values(5000, "64")["DefaultLimitMEMLOCK"] == "64K"
    assert limits.systemd_values(5000, "unlimited")["DefaultLimitMEMLOCK"] == "infinity"
    assert "DefaultLimitMEMLOCK" not in limits.systemd_values(5000, None)


def test_only_the_section_that_counts_is_read() -> None:
    text = "[Unit]\nCPUWeight=1\n[Slice]\n# CPUWeight=2\nCPUWeight = 3\n"
    assert ini_settings("f", text, "Slice") == [Setting("f", 5, "CPUWeight", "3")]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("1G", "1073741824", True), ("64m", "67108864", True), ("infinity", "infinity", True),
     ("infinity", "1G", False), ("50%", "50", False), ("", "80", False)],
)
def test_sizes_are_compared_as_numbers(one: str, other: str, same: bool) -> None:
    assert slices.same_size(one, other) is same


def test_no_limit_is_said_so_that_nothing_older_holds() -> None:
    text = slices.unit_text(slices.slice_values(80, None, 1024))
    assert "MemoryHigh=infinity\n" in text
    assert "MemoryMax=1024\n" in text


def test_the_answer_names_whom_it_answers() -> None:
    text = slices.dropin_text({"CPUWeight": "80"}, {"CPUWeight": Setting("/x/50.conf", 4, "CPUWeight", "33")})
    assert "# /x/50.conf:4 says CPUWeight=33\n[Slice]\nCPUWeight=80\n" in text
