"""Kernel settings: those in force, and those the files will set at the next boot."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent.drift.area import Area
from agent.machine.sysctl import normalise, observe_boot_settings
from agent.model.errors import Missing, Unobservable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.machine.api import Machine

FOLDERS = ("vm", "fs", "kernel", "net/core", "net/ipv4")
# What counts by itself: never a fact. kexec_load_limit_* go down with each load, hung_task_warnings with each report.
_COUNTERS = re.compile(
    r"fs\.(file-nr|inode-nr|inode-state|dentry-state|aio-nr)"
    r"|kernel\.(ns_last_pid|hung_task_warnings|hung_task_detect_count|kexec_load_limit_(panic|reboot))"
)
# Addresses, secrets, and values the kernel works out from free memory, loaded modules, or measures for itself.
_VOLATILE = re.compile(
    r"vm\.(stat_refresh|compact_memory|drop_caches|lowmem_reserve_ratio|min_free_kbytes|(user|admin)_reserve_kbytes)"
    r"|fs\.(file-max|overflow.*)"
    r"|kernel\.(random|hostname|domainname|tainted|version|osrelease|ostype|threads-max|pid_max|pty"
    r"|perf_event_max_sample_rate|acpi_video_flags|bootloader_\w+|sched_\w+|cad_pid|max_lock_depth|poweroff_cmd"
    r"|(msg|sem|shm)_next_id|real-root-dev|unprivileged_bpf_disabled_once)"
    r"|net\.core\.(netdev_rss_key|dev_weight_\w+)"
    r"|net\.ipv4\.(tcp_mem|udp_mem|tcp_fastopen_key|tcp_max_orphans|tcp_max_tw_buckets|tcp_max_syn_backlog|[tu]\w+_pernet\w*"
    r"|route|conf|neigh|(tcp_e|tcp_child_e|udp_|udp_child_)hash_entries|tcp_(allowed|available)_.*|inet_peer_threshold)"
)


def observe_live(machine: Machine) -> dict[str, str]:
    """Return the settings in force: no counters, and what the kernel works out only when a file sets it."""
    found: dict[str, str] = {}
    for folder in FOLDERS:
        for name in _names(machine, f"/proc/sys/{folder}"):
            key = f"{folder}/{name}".replace("/", ".")
            if _VOLATILE.fullmatch(key) is None and _COUNTERS.fullmatch(key) is None:
                _add(machine, f"/proc/sys/{folder}/{name}", key, found)
    for key in observe_boot_settings(machine):
        if key not in found and _COUNTERS.fullmatch(key) is None:
            _add(machine, "/proc/sys/" + key.replace(".", "/"), key, found)
    return found


def observe_at_boot(machine: Machine) -> dict[str, str]:
    """Return value and file of each setting that will hold after a reboot."""
    return {
        key: f"{setting.value} ({setting.path})" for key, setting in observe_boot_settings(machine).items()
    }


def _names(machine: Machine, folder: str) -> tuple[str, ...]:
    try:
        return machine.listing(folder)
    except Missing:
        return ()


def _add(machine: Machine, path: str, key: str, found: dict[str, str]) -> None:
    """Read one setting; folders, write-only files and what is not ours to read are no facts."""
    try:
        found[key] = normalise(machine.read(path, limit_bytes=4096))
    except Unobservable:
        return


def _files(key: str, before: str, after: str) -> Sequence[str]:
    named = [value.rpartition(" (")[2].rstrip(")") for value in (after, before) if value.endswith(")")]
    return (*named, *(path.rpartition("/")[0] for path in named))


AREAS = (
    Area("sysctl", "kernel settings in force", observe_live, places=lambda key, before, after: ()),
    Area("sysctl-boot", "kernel settings at the next boot", observe_at_boot, places=_files),
)
