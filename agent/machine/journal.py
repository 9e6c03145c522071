"""The kernel's log of this boot."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

from agent.model.errors import Unobservable

if TYPE_CHECKING:
    from agent.machine.api import Machine

KERNEL_ARGV = (
    "journalctl",
    "-k",
    "-b",
    "-q",
    "-o",
    "json",
    "--output-fields=MESSAGE,PRIORITY",
    "-n",
    "20000",
    "--no-pager",
)
DMESG_ARGV = ("dmesg", "--raw")
_RAW = re.compile(r"<(\d+)>\[\s*(\d+\.\d+)\] (.*)")


class KernelMessage(NamedTuple):
    """One line of the kernel log. `priority`: 0 emergency … 7 debug; `time_s`: since the epoch."""

    priority: int
    time_s: float
    text: str


def parse_journal(text: str) -> list[KernelMessage]:
    """Return the messages of `journalctl -o json`; a message that is not text is decoded from its byte
    list.
    """
    messages = []
    for line in text.splitlines():
        if not line.startswith("{"):
            continue
        entry = json.loads(line)
        body = entry.get("MESSAGE") or ""
        if isinstance(body, list):
            body = bytes(byte for byte in body if isinstance(byte, int)).decode(errors="replace")
        time_s = int(entry.get("__REALTIME_TIMESTAMP", 0)) / 1e6
        messages.append(KernelMessage(int(entry.get("PRIORITY", 6)), time_s, str(body)))
    return messages


def parse_dmesg(text: str, boot_s: float) -> list[KernelMessage]:
    """Return the messages of `dmesg --raw`; `boot_s` is when the machine started, in seconds since the
    epoch.
    """
    matches = (_RAW.match(line) for line in text.splitlines())
    return [KernelMessage(int(m[1]) & 7, boot_s + float(m[2]), m[3]) for m in matches if m]


def observe_kernel_log(machine: Machine) -> tuple[str, list[KernelMessage]]:
    """Return where the kernel log was read, and its messages of this boot (at most the last 20,000).

    Raises Unobservable when neither the journal nor dmesg shows a single message.
    """
    try:
        messages = parse_journal(machine.run(KERNEL_ARGV, timeout_s=15).out)
    except (Unobservable, ValueError):
        messages = []
    if messages:
        return "journalctl -k -b", messages
    uptime_s = float(machine.read("/proc/uptime").split()[0])
    messages = parse_dmesg(machine.run(DMESG_ARGV).out, machine.clock() - uptime_s)
    if not messages:
        raise Unobservable(
            "neither journalctl nor dmesg shows a kernel message; run as root or join group adm"
        )
    return "dmesg", messages
