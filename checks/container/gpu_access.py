"""Running containers still have the GPU they were given."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, failed, not_applicable, passed, unknown, warned
from agent.machine.docker import engine_runs, observe_info
from agent.machine.docker_images import GpuContainer, observe_gpu_containers
from agent.model.errors import Missing
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile

RELOAD_ARGV = ("systemctl", "show", "--timestamp=unix", "--property=UnitsLoadTimestamp")
MAJOR = 195  # of /dev/nvidia*, fixed in the kernel's list of devices
_GIVEN = re.compile(rf"/dev/nvidia|/dev/char/{MAJOR}:|char-nvidia")


class Access(NamedTuple):
    """One container: its control group's device rules ("" = not readable), and what systemd would put there."""

    container: GpuContainer
    rules: str
    kept: bool


class Seen(NamedTuple):
    """`by_systemd`: the engine lets systemd manage control groups. `reloaded`: last daemon-reload, 0 = not told."""

    runs: bool
    by_systemd: bool = False
    reloaded: float = 0.0
    accesses: tuple[Access, ...] = ()


def observe(machine: Machine, profile: ResolvedProfile) -> Seen | None:
    """Ask the engine while it runs; the control groups and systemd only where a container has a GPU."""
    if not profile.profile.container.docker.enabled:
        return None
    if not engine_runs(machine):
        return Seen(False)
    containers = observe_gpu_containers(machine)
    if not containers:
        return Seen(True)
    by_systemd = observe_info(machine).cgroup_driver == "systemd"
    accesses = tuple(
        Access(one, _rules(machine, one.pid), not by_systemd or _kept_by_systemd(machine, one.id))
        for one in containers
    )
    return Seen(True, by_systemd, _reloaded(machine) if by_systemd else 0.0, accesses)


def _rules(machine: Machine, pid: int) -> str:
    """Return devices.list of a process's control group; empty with version 2, where a program decides."""
    try:
        lines = machine.read(f"/proc/{pid}/cgroup").splitlines()
        path = next((line.split(":", 2)[2] for line in lines if "devices" in line.split(":", 2)[1].split(",")), "")
        return machine.read(f"/sys/fs/cgroup/devices{path}/devices.list") if path else ""
    except Missing:
        return ""


def _kept_by_systemd(machine: Machine, container: str) -> bool:
    """Return whether systemd knows the GPU's devices for a container's scope, and so restores them."""
    unit = f"docker-{container}.scope"
    return bool(_GIVEN.search(machine.run(("systemctl", "show", unit, "--property=DeviceAllow")).out))


def _reloaded(machine: Machine) -> float:
    found = re.search(r"@(\d+)", machine.run(RELOAD_ARGV, ok=None).out)
    return float(found[1]) if found else 0.0


def judge(seen: Seen | None, profile: ResolvedProfile) -> list[Outcome]:
    """The device rules still name the GPU; systemd would keep them at its next reload."""
    if seen is None:
        return [not_applicable("The profile does not ask for Docker.")]
    if not seen.runs:
        return [unknown("Docker does not run: see container.docker-service.")]
    if not seen.accesses:
        return [not_applicable("No running container was given a GPU.")]
    return [_judged(access, seen) for access in seen.accesses]


def _judged(access: Access, seen: Seen) -> Outcome:
    name, rules = access.container.name, access.rules
    # Docker lets every container make device nodes ("c *:* m"); only r or w is access
    allowed = bool(re.search(rf"^(a \S+|c (\*|{MAJOR}):\S+) m?[rw]", rules, re.MULTILINE))
    restart = Remedy(steps=(
        f"docker restart {name} (its processes start again: let its owner do it)",
        "Against the next time: nvidia-ctk system create-dev-char-symlinks --create-all, or start it by CDI "
        "(--device nvidia.com/gpu=all).",
    ))
    shown = Evidence("devices.list of its control group", tuple(rules.splitlines()[:8]))
    lost = f'Container {name} has lost its GPU: inside, NVML says "Unknown Error".'
    if rules and not allowed:
        return failed(f"{lost} A daemon-reload took its device rules away.", subject=name, seen="no rule for "
                      f"c {MAJOR}:*", expected=f"c {MAJOR}:* allowed", evidence=[shown], remedy=restart)
    if access.kept:
        return passed(f"Container {name} has its GPU, and keeps it through a daemon-reload.", subject=name,
                      evidence=[shown] if rules else [])
    where = [Evidence(" ".join(RELOAD_ARGV))]
    if not rules and seen.reloaded > access.container.started:
        return failed(f"{lost} systemd was reloaded after it started and does not know its devices.", subject=name,
                      seen="reloaded since", expected="devices known to systemd", evidence=where, remedy=restart)
    return warned(f"Container {name} will lose its GPU at the next daemon-reload: systemd does not know its devices.",
                  subject=name, seen="devices not known to systemd", expected="DeviceAllow=/dev/nvidia…",
                  evidence=where, remedy=restart)


CHECK = Check(
    title="Containers still have their GPU",
    why="systemd rewrites the device rules of its control groups at a daemon-reload; a container whose GPU was "
        "added behind its back goes on running without one.",
    observe=observe,
    judge=judge,
)
