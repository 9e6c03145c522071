"""/etc: files that differ from what their package brought, and files people put where programs look."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent.drift.area import Area
from agent.drift.digests import file_digests
from agent.drift.texts import file_values, folder_values, text_value
from agent.machine.apt import STATUS_FILE
from agent.model.drift import UNREAD
from agent.model.errors import Unobservable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.machine.api import Machine

# Told in detail by areas of their own, or by the system about itself.
_ELSEWHERE = re.compile(
    r"/etc/(sysctl|modprobe\.d|security/limits|cron|sudoers|apt/|systemd/|default/grub|docker/)"
)
WATCHED = (
    "/etc/environment",
    "/etc/ld.so.preload",
    "/etc/rc.local",
    "/etc/ssh/sshd_config",
    "/etc/default/grub",
    "/etc/kernel/cmdline",
)
FOLDERS = (
    "/etc/ssh/sshd_config.d",
    "/etc/default/grub.d",
    "/etc/profile.d",
    "/etc/udev/rules.d",
    "/etc/ld.so.conf.d",
    "/etc/nvidia-container-runtime",
    "/etc/nvidia-container-toolkit",
    "/etc/pam.d",
)


def packaged_files(status: str) -> Iterator[tuple[str, str]]:
    """Yield path and MD5 of each configuration file of the packages in a dpkg status file."""
    for block in status.split("\nConffiles:\n")[1:]:
        for line in block.split("\n"):
            if not line.startswith(" "):
                break
            fields = line.split()
            if len(fields) == 2 and fields[0].startswith("/etc/"):
                yield fields[0], fields[1]


def observe_changed(machine: Machine) -> dict[str, str]:
    """Return the packaged files that are not as packaged: what a small one says, `deleted`, else its digest."""
    known = {
        path: md5
        for path, md5 in packaged_files(machine.read(STATUS_FILE, limit_bytes=64 << 20))
        if not _ELSEWHERE.match(path)
    }
    seen = file_digests(machine, sorted(known), "md5sum", 32)
    changed = {}
    for path, md5 in known.items():
        now = seen.get(path)
        if now is None:
            changed[path] = "deleted"
        elif now == UNREAD:
            changed[path] = UNREAD
        elif now != md5:
            changed[path] = f"not as packaged: {_said(machine, path, now)}"
    return changed


def observe_placed(machine: Machine) -> dict[str, str]:
    """Return what files say that people put where programs look, packaged ones left out."""
    known = dict(packaged_files(machine.read(STATUS_FILE, limit_bytes=64 << 20)))
    found = dict(file_values(machine, WATCHED)) | dict(folder_values(machine, *FOLDERS))
    return {path: value for path, value in found.items() if path not in known}


def _said(machine: Machine, path: str, digest: str) -> str:
    try:
        return f"{text_value(machine.read(path))} (md5 {digest[:12]})"
    except Unobservable:
        return f"md5 {digest[:12]}"


AREAS = (
    Area("etc", "packaged files in /etc that were changed", observe_changed),
    Area("etc-file", "files in /etc that no package brought", observe_placed),
)
