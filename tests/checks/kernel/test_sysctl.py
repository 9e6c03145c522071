from __future__ import annotations

from checks.kernel.sysctl import CHECK
from tests.checks.findings import CONTAINER, DENIED, only, verdicts
from tests.fixtures import FakeMachine, mode

SWAPPINESS, NR_OPEN = "/proc/sys/vm/swappiness", "/proc/sys/fs/nr_open"
WANTED = {"kernel": {"sysctl": {"values": {"vm.swappiness": 10}, "floors": {"fs.nr_open": 2_000_000}}}}
MOUNTED = "9 1 0:5 / /proc rw - proc proc rw\n"
READ_ONLY = MOUNTED + "10 9 0:5 /sys /proc/sys ro,nosuid - proc proc rw\n"


def test_equal_values_and_a_higher_floor_are_one_pass():
    machine = FakeMachine({SWAPPINESS: "10\n", NR_OPEN: "1073741816\n"})
    assert verdicts(CHECK, machine, **WANTED) == [("pass", "")]


def test_each_deviating_key_is_a_failure_that_role_sysctl_repairs():
    machine = FakeMachine({SWAPPINESS: "60\n", NR_OPEN: "1048576\n"})
    assert verdicts(CHECK, machine, **WANTED) == [("fail", "vm.swappiness"), ("fail", "fs.nr_open")]
    finding = only(CHECK, FakeMachine({SWAPPINESS: "60\n", NR_OPEN: "2000000\n"}), **WANTED)
    assert (finding.seen, finding.expected, finding.remedy.role) == ("60", "10", "sysctl")


def test_tabs_of_the_kernel_and_blanks_of_the_profile_are_the_same():
    wanted = {"kernel": {"sysctl": {"values": {"net.ipv4.tcp_rmem": "4096 131072 6291456"}}}}
    machine = FakeMachine({"/proc/sys/net/ipv4/tcp_rmem": "4096\t131072\t6291456\n"})
    assert verdicts(CHECK, machine, **wanted) == [("pass", "")]


def test_a_container_with_read_only_proc_sys_is_not_blamed_for_its_host():
    machine = FakeMachine({**CONTAINER, "/proc/self/mountinfo": READ_ONLY, SWAPPINESS: "60", NR_OPEN: "2000000"})
    assert verdicts(CHECK, machine, **WANTED) == [("not-applicable", "vm.swappiness")]


def test_a_container_that_can_write_proc_sys_is_judged():
    machine = FakeMachine({**CONTAINER, "/proc/self/mountinfo": MOUNTED, SWAPPINESS: "60", NR_OPEN: "2000000"})
    assert verdicts(CHECK, machine, **WANTED) == [("fail", "vm.swappiness")]


def test_a_key_without_write_permission_in_a_container_is_the_hosts():
    machine = FakeMachine({**CONTAINER, "/proc/self/mountinfo": MOUNTED, SWAPPINESS: "60", NR_OPEN: "2000000"})
    machine.status = lambda path: mode("file", 0o444)  # type: ignore[method-assign]
    assert verdicts(CHECK, machine, **WANTED) == [("not-applicable", "vm.swappiness")]


def test_a_key_this_kernel_lacks_is_a_warning():
    assert verdicts(CHECK, FakeMachine({NR_OPEN: "2000000"}), **WANTED) == [("warn", "vm.swappiness")]


def test_an_unreadable_key_is_unknown_never_pass():
    machine = FakeMachine({SWAPPINESS: "10", NR_OPEN: "2000000"}, errors={SWAPPINESS: DENIED})
    assert verdicts(CHECK, machine, **WANTED) == [("unknown", "vm.swappiness")]


def test_a_switched_off_section_looks_at_nothing():
    machine = FakeMachine()
    assert verdicts(CHECK, machine, kernel={"sysctl": {"enabled": False, "values": {"vm.swappiness": 1}}}) == [
        ("not-applicable", "")
    ]
    assert machine.asked == []
