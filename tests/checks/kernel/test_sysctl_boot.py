from __future__ import annotations

import pytest

from checks.kernel.sysctl_boot import CHECK
from tests.checks.findings import DENIED, only, verdicts
from tests.fixtures import FakeMachine, link

OURS = "/etc/sysctl.d/60-firstlight.conf"
NR_OPEN = {"/proc/sys/fs/nr_open": "1048576\n"}
WANTED = {"kernel": {"sysctl": {"values": {"vm.swappiness": 10}}}}
FLOOR = {"kernel": {"sysctl": {"floors": {"fs.nr_open": 2_000_000}}}}


def test_our_file_makes_it_pass():
    assert verdicts(CHECK, FakeMachine({OURS: "vm.swappiness = 10\n"}), **WANTED) == [("pass", "")]


def test_no_file_means_a_reboot_loses_it():
    finding = only(CHECK, FakeMachine(), **WANTED)
    assert (finding.verdict, finding.subject, finding.remedy.role) == ("fail", "vm.swappiness", "sysctl")


@pytest.mark.parametrize(
    "late",
    [
        {"/etc/sysctl.d/99-tuning.conf": "# mine\n\nvm.swappiness=60\n"},
        {"/usr/lib/sysctl.d/70-vendor.conf": "#\n#\nvm/swappiness = 60\n"},
        {
            "/etc/sysctl.d/99-sysctl.conf": link("../sysctl.conf"),
            "/etc/sysctl.d/../sysctl.conf": "\n\n-vm.swappiness=60",
        },
    ],
)
def test_a_later_file_that_wins_is_named_with_its_line(late):
    finding = only(CHECK, FakeMachine({OURS: "vm.swappiness = 10\n", **late}), **WANTED)
    assert finding.verdict == "fail"
    assert f"{next(iter(late))}:3" in finding.summary


def test_a_file_read_after_anything_we_can_write_is_left_to_a_human():
    finding = only(
        CHECK, FakeMachine({OURS: "vm.swappiness=10", "/etc/sysctl.d/zzz.conf": "vm.swappiness=60"}), **WANTED
    )
    assert any("zzz.conf" in step for step in finding.remedy.steps)


@pytest.mark.parametrize("harmless", [
    {"/etc/sysctl.d/10-early.conf": "vm.swappiness=60"},
    {"/etc/sysctl.conf": "vm.swappiness=60"},
    {"/usr/lib/sysctl.d/99-x.conf": "vm.swappiness=60", "/etc/sysctl.d/99-x.conf": link("/dev/null")},
    {"/usr/lib/sysctl.d/99-x.conf": "vm.swappiness=60", "/etc/sysctl.d/99-x.conf": "# empty\n"},
    {"/etc/sysctl.d/99-x.conf.dpkg-old": "vm.swappiness=60"},
    {"/etc/sysctl.d/99-x.conf": "#vm.swappiness=60\n;vm.swappiness=60\n"},
])
def test_files_that_systemd_does_not_let_win_do_not_matter(harmless):
    assert verdicts(CHECK, FakeMachine({OURS: "vm.swappiness = 10\n", **harmless}), **WANTED) == [("pass", "")]


def test_a_floor_may_be_higher_in_the_file_but_not_lower():
    assert verdicts(CHECK, FakeMachine({**NR_OPEN, OURS: "fs.nr_open=3000000"}), **FLOOR) == [("pass", "")]
    assert verdicts(CHECK, FakeMachine({**NR_OPEN, OURS: "fs.nr_open=1000000"}), **FLOOR) == [("fail", "fs.nr_open")]


@pytest.mark.parametrize(("live", "verdict"), [("1073741816", "pass"), ("2000000", "fail"), ("1048576", "fail")])
def test_without_a_file_a_floor_holds_only_where_the_system_itself_gives_more(live, verdict):
    machine = FakeMachine({"/proc/sys/fs/nr_open": live})
    assert only(CHECK, machine, **FLOOR).verdict == verdict


def test_an_unreadable_file_is_unknown_never_pass():
    machine = FakeMachine({OURS: "vm.swappiness=10", "/etc/sysctl.d/99-x.conf": ""},
                          errors={"/etc/sysctl.d/99-x.conf": DENIED})
    assert only(CHECK, machine, **WANTED).verdict == "unknown"


def test_a_switched_off_section_is_not_applicable():
    assert only(CHECK, FakeMachine(), kernel={"sysctl": {"enabled": False}}).verdict == "not-applicable"
