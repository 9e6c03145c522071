"""How many 4 KiB random reads a data disk does in a second, measured by fio for five seconds.

fio reads the disk itself, opened read-only (`--readonly`, direct): not a byte is written, no file is left
behind. On a drive that is mostly empty the figure is the upper end: unwritten blocks cost no flash access.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Level, Outcome, failed, not_applicable, passed, unknown
from agent.machine.mounts import find_mount, observe_mounts
from agent.model.errors import Missing, Unobservable
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile

SECONDS = 5
OPTIONS = (
    "--name=read",
    "--readonly",
    "--rw=randread",
    "--bs=4k",
    "--direct=1",
    "--ioengine=libaio",
    "--numjobs=4",
    "--iodepth=8",
    "--group_reporting",
    "--time_based",
    f"--runtime={SECONDS}",
    "--norandommap",
    "--randrepeat=0",
    "--output-format=json",
)


class Speed(NamedTuple):
    """What fio measured on a mounted disk, or why it could not."""

    source: str
    iops: float = 0.0
    p99_ms: float = 0.0
    why: str = ""


def observe(machine: Machine, profile: ResolvedProfile) -> dict[str, Speed | None] | None:
    """Measure each mounted data disk, one after the other; None without data disks."""
    part = profile.profile.storage.data_disks
    if not part.enabled or not part.disks:
        return None
    if not machine.privileged():
        raise Unobservable("only root may read a disk past its filesystem; run this check as root")
    mounts = observe_mounts(machine)
    found = {disk.mount: find_mount(mounts, disk.mount) for disk in part.disks}
    return {point: observe_speed(machine, mount.source) if mount else None for point, mount in found.items()}


def observe_speed(machine: Machine, source: str) -> Speed:
    """Run fio on a block device. Raises Unobservable when fio is not installed."""
    try:
        answer = machine.run(("fio", *OPTIONS, f"--filename={source}"), timeout_s=SECONDS + 20).out
        read = json.loads(answer[answer.index("{"):])["jobs"][0]["read"]
        p99_ns = read.get("clat_ns", {}).get("percentile", {}).get("99.000000", 0)
        return Speed(source, float(read["iops"]), p99_ns / 1e6)
    except Missing:
        raise Unobservable("fio is not installed (package fio)") from None
    except Unobservable as error:
        return Speed(source, why=error.message)
    except (ValueError, KeyError, IndexError) as error:
        return Speed(source, why=f"fio's answer is not understood ({error!r})")


def judge(seen: dict[str, Speed | None] | None, profile: ResolvedProfile) -> list[Outcome]:
    """One finding per data disk; without a minimum in the profile the figure is recorded, not judged."""
    if seen is None:
        return [not_applicable("The profile declares no data disk.")]
    least = profile.profile.storage.data_disks.min_read_iops
    return [judge_disk(point, speed, least) for point, speed in seen.items()]


def judge_disk(point: str, speed: Speed | None, least: int) -> Outcome:
    """Compare one figure with the least wanted."""
    if speed is None:
        return not_applicable(f"{point} is not mounted (see storage.data-disks).", subject=point)
    if speed.why:
        return unknown(f"{speed.source} at {point} could not be measured: {speed.why}", subject=point)
    text = f"{speed.iops:.0f} reads/s, 99 % within {speed.p99_ms:.2f} ms"
    evidence = [Evidence(f"fio {' '.join(OPTIONS)} --filename={speed.source}", (text,))]
    if speed.iops < least:
        return failed(f"{point} is slow: {text}.", subject=point, seen=f"{speed.iops:.0f}",
                      expected=f"≥ {least}", evidence=evidence)
    note = "" if least else "; the profile sets no minimum"
    return passed(f"{point} does {text}{note}.", subject=point, seen=f"{speed.iops:.0f}",
                  expected=f"≥ {least}" if least else "", evidence=evidence)


CHECK = Check(
    title="Random-read speed",
    why="A data loader reads small pieces at random; a slow or throttled disk leaves the GPU waiting.",
    observe=observe,
    judge=judge,
    level=Level.DEEP,
    timeout_s=120,
    remedy=Remedy(steps=("Measure again when no job uses the disk.",
                         "See its temperature and PCIe link: `nvme smart-log`, `lspci -vv` (LnkSta).",
                         "Move the drive to a slot with all its lanes; give it a heat sink.")),
)
