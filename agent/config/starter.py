"""The first version of a site's own profile file, with this machine's disks as examples."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from agent.model.units import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.model.hardware import Disk, Hardware

SMALLEST_BYTES = 300 << 20  # XFS makes nothing smaller


def render_starter(hardware: Hardware, extends: str, used: frozenset[str] = frozenset()) -> str:
    """Return YAML that changes nothing yet: it extends a profile and shows what may be set, commented out.

    What stands there is the number of GPUs that are seen now, if any: a card that is lost later is missed by it.
    `used` names the disks that hold something mounted; they are no examples.
    """
    lines = [
        "---",
        f"# This machine's own settings, laid over the profile {extends}. What stands here wins.",
        "# See what holds and where it is written:  firstlight profile show",
        "# See what a change would do:              firstlight plan",
        "schema: 1",
        f"extends: {extends}",
        f"name: {extends}-site",
        "",
        *_count(len(hardware.gpus)),
        "# Kernel settings:",
        "# kernel:",
        "#   sysctl:",
        "#     values:",
        "#       vm.swappiness: 10",
        "",
        "# Who may use Docker without sudo. Such a user can become root:",
        "# container:",
        "#   docker:",
        "#     users: [NAME]",
        "",
        *_disks(hardware, used),
    ]
    return "\n".join(lines) + "\n"


def _count(gpus: int) -> Iterator[str]:
    if not gpus:
        return
    yield f"# NVIDIA GPUs that were on the PCI bus when this file was made ({gpus}); check gpu.count holds the machine"
    yield "# to it. Change both when cards are added or taken out."
    yield "match:"
    yield f"  min_gpus: {gpus}"
    yield f"  max_gpus: {gpus}"
    yield ""


def _disks(hardware: Hardware, used: frozenset[str]) -> Iterator[str]:
    fitting = [
        disk
        for disk in hardware.disks
        if not disk.removable
        and not disk.read_only
        and disk.size_bytes >= SMALLEST_BYTES
        and disk.name not in used
    ]
    yield "# Data disks. A disk is formatted only when it is provably blank; anything else is refused."
    if not fitting:
        yield "# No disk without a mounted filesystem was found on this machine."
        return
    yield "# Take the comment signs away for the disk that is meant, and only for that one:"
    yield "# storage:"
    yield "#   data_disks:"
    yield "#     disks:"
    for number, disk in enumerate(fitting, 1):
        yield from _example(disk, number)


def _example(disk: Disk, number: int) -> Iterator[str]:
    yield f"#       # {disk.name}, {format_size(disk.size_bytes)}{', ' + disk.model if disk.model else ''}"
    if not disk.serial and not disk.wwn:
        yield "#       # has neither serial number nor WWN, so it cannot be named"
        return
    key, value = ("serial", disk.serial) if disk.serial else ("wwn", disk.wwn)
    mount = "/data" if number == 1 else f"/data{number}"
    yield f"#       - {key}: {json.dumps(value)}"
    yield f"#         size: {disk.size_bytes}"
    yield f"#         label: data{number}"
    yield f"#         mount: {mount}"
