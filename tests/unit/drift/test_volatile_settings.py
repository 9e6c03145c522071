"""Kernel settings that change by themselves are no facts; those that people change are."""

from __future__ import annotations

import pytest

from agent.drift.facts.sysctl import observe_live
from tests.unit.drift.samples import machine

COUNTERS = (
    "kernel.hung_task_warnings",
    "kernel.hung_task_detect_count",
    "kernel.kexec_load_limit_panic",
    "kernel.kexec_load_limit_reboot",
    "kernel.ns_last_pid",
    "fs.file-nr",
    "fs.inode-nr",
    "fs.inode-state",
    "fs.dentry-state",
    "fs.aio-nr",
)
WORKED_OUT = (
    "net.ipv4.tcp_available_ulp",
    "net.ipv4.tcp_available_congestion_control",
    "net.ipv4.tcp_allowed_congestion_control",
    "net.ipv4.inet_peer_threshold",
    "net.ipv4.udp_hash_entries",
    "net.ipv4.udp_child_hash_entries",
    "net.ipv4.tcp_ehash_entries",
    "net.ipv4.tcp_child_ehash_entries",
    "net.ipv4.tcp_mem",
    "net.ipv4.udp_mem",
    "net.ipv4.tcp_max_orphans",
    "vm.min_free_kbytes",
    "fs.file-max",
    "kernel.threads-max",
    "kernel.perf_event_max_sample_rate",
    "kernel.tainted",
)
SET_BY_PEOPLE = (
    "kernel.hung_task_timeout_secs",
    "kernel.hung_task_check_count",
    "kernel.kexec_load_disabled",
    "net.ipv4.tcp_congestion_control",
    "net.ipv4.inet_peer_maxttl",
    "net.ipv4.tcp_rmem",
    "fs.aio-max-nr",
    "vm.nr_hugepages",
)


def seen(name: str, file: str = "") -> dict[str, str]:
    files = {"/proc/sys/" + name.replace(".", "/"): "7\n"}
    return observe_live(machine(files | ({"/etc/sysctl.d/60-a.conf": file} if file else {})))


@pytest.mark.parametrize("name", COUNTERS)
def test_a_counter_is_no_fact_even_when_a_file_starts_it(name: str) -> None:
    assert seen(name) == seen(name, f"{name} = 7\n") == {}


@pytest.mark.parametrize("name", WORKED_OUT)
def test_what_the_kernel_works_out_is_a_fact_only_when_a_file_sets_it(name: str) -> None:
    assert seen(name) == {}
    assert seen(name, f"{name} = 7\n") == {name: "7"}


@pytest.mark.parametrize("name", SET_BY_PEOPLE)
def test_its_neighbours_that_people_set_are_facts(name: str) -> None:
    assert seen(name) == {name: "7"}
