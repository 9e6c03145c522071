"""Xid and SXid messages of the NVIDIA driver in the kernel log."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from agent.machine.journal import DMESG_ARGV, observe_kernel_log, parse_dmesg
from agent.model.errors import Unobservable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.machine.api import Machine
    from agent.machine.journal import KernelMessage

# NVRM: Xid (PCI:0000:04:00): 79, pid=1234, name=python, GPU has fallen off the bus.
# nvidia-nvswitch3: SXid (PCI:0000:c1:00.0): 28006, Non-fatal, Link 46 MC TS crumbstore MCTO
# NVRM: Xid (PCI:0000:01:00 GPU-I:05): 94, pid=7194, Contained: CE User Channel (0x9). RST: No, D-RST: No
_XID = re.compile(r"(?P<kind>S?Xid) \((?:PCI:)?(?P<address>[0-9a-fA-F:.]+)(?P<piece>(?: GPU-\w+:\w+)*)\): "
                  r"(?P<code>\d+)(?:, (?P<rest>.*))?")
_PROCESS = re.compile(r"(?:pid=(?P<pid>'?<?[\w/]+>?'?)(?:, |$))?(?:name=(?P<name>[^,]+)(?:, |$))?")
_UNKNOWN = {"", "<unknown>", "'<unknown>'", "unknown", "<n/a>"}


class XidEvent(NamedTuple):
    """One message. `address` in sysfs form without function (0000:04:00); `switch`: of an NVSwitch (SXid).

    `pid` and `process` are empty when the driver did not know; `time_s` since the epoch; `piece`: the MIG slice, as
    the driver writes it (GPU-I:05), empty without.
    """

    code: int
    address: str
    time_s: float
    text: str
    pid: str = ""
    process: str = ""
    detail: str = ""
    switch: bool = False
    piece: str = ""


def observe_xids(machine: Machine) -> tuple[str, float, tuple[XidEvent, ...]]:
    """Return where they were read, since when (seconds since the epoch), and the Xids in time's order.

    The kernel's own buffer first: it costs a tenth of the journal. Raises Unobservable when neither can be read.
    """
    try:
        uptime_s = float(machine.read("/proc/uptime").split()[0])
        lines = machine.run(DMESG_ARGV).out.splitlines()
        told = (*lines[:1], *(line for line in lines[1:] if "Xid" in line))
        messages = parse_dmesg("\n".join(told), machine.clock() - uptime_s)
        source = "dmesg"
    except Unobservable:
        messages = []
    if not messages:
        source, messages = observe_kernel_log(machine)
    return source, messages[0].time_s, find_xids(messages)


def find_xids(messages: Iterable[KernelMessage]) -> tuple[XidEvent, ...]:
    """Return the Xids among kernel messages."""
    return tuple(event for message in messages if "Xid" in message.text and (event := parse_xid(message)))


def parse_xid(message: KernelMessage) -> XidEvent | None:
    """Return the Xid in a message, None when it is none."""
    found = _XID.search(message.text)
    if found is None:
        return None
    rest = found["rest"] or ""
    process = _PROCESS.match(rest)
    pid, name = ((process["pid"] or "").strip("'"), process["name"] or "") if process else ("", "")
    return XidEvent(
        int(found["code"]), _address(found["address"]), message.time_s, message.text,
        "" if pid in _UNKNOWN else pid, "" if name in _UNKNOWN else name,
        rest[process.end() :] if process else rest, switch=found["kind"] == "SXid", piece=found["piece"].strip())


def _address(text: str) -> str:
    """Return `0000:04:00` for 0000:04:00, 0000:04:00.0, 00000000:04:00.0 and 04:00."""
    parts = text.lower().partition(".")[0].split(":")
    if len(parts) == 2:
        parts = ["0000", *parts]
    return ":".join((parts[0][-4:].zfill(4), *parts[1:]))
