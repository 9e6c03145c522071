"""Nsight Systems is there when the profile wants it, and who may read the GPU's counters."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, failed, not_applicable, passed
from agent.machine.nvidia_packages import observe_nvidia_packages
from agent.model.errors import Missing
from agent.model.finding import Evidence, Remedy
from checks.cuda import repair

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile

NAME = re.compile(r"nsight-systems(?:-cli)?(?:-[\d.]+)?")
PARAMETERS = "/proc/driver/nvidia/params"
ADMIN_ONLY = re.compile(r"^RmProfilingAdminOnly: (\d)", re.MULTILINE)


class Seen(NamedTuple):
    """Installed packages as (name, version). `counters`: "root", "everybody", or "" when no driver is loaded."""

    packages: tuple[tuple[str, str], ...]
    counters: str


def observe(machine: Machine, profile: ResolvedProfile) -> Seen:
    """Look into dpkg's file, and ask the loaded driver who may profile."""
    try:
        packages = observe_nvidia_packages(machine)
    except Missing:
        packages = {}
    found = tuple((name, packages[name].version) for name in sorted(packages) if NAME.fullmatch(name))
    try:
        told = ADMIN_ONLY.search(machine.read(PARAMETERS))
    except Missing:
        told = None
    return Seen(found, "" if told is None else "everybody" if told[1] == "0" else "root")


def judge(seen: Seen, profile: ResolvedProfile) -> list[Outcome]:
    """There when asked for; never a fault when not."""
    asked = profile.profile.gpu.profilers.enabled
    if not seen.packages:
        if not asked:
            return [not_applicable("Nsight Systems is not installed, and the profile does not ask for it.")]
        return [failed("Nsight Systems is not installed; the profile asks for profilers.", seen="none",
                       expected="nsight-systems-cli",
                       remedy=repair(profile, "profilers", "Install nsight-systems-cli from NVIDIA's repository."))]
    there = ", ".join(f"{name} {version}" for name, version in seen.packages)
    counters = {"root": " GPU counters are for root only, also in containers (the driver's default).",
                "everybody": " GPU counters are open to everybody."}.get(seen.counters, "")
    return [passed(f"Nsight Systems is installed: {there}.{counters}", seen=there,
                   evidence=[Evidence(PARAMETERS, (f"counters: {seen.counters or 'no driver is loaded'}",))])]


CHECK = Check(
    title="Profilers",
    why="Why a job is slow is measured, not guessed; on the day it is needed nobody wants to look for the profiler.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="profilers"),
)
