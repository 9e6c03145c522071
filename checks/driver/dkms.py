"""DKMS has built the driver for the running and for the next kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, failed, not_applicable, passed, warned
from agent.machine.dkms import Registered, has_headers, observe_dkms
from agent.model.finding import Evidence, Remedy
from checks.driver import Site, does_not_build, observe_site, repair

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile


class Seen(NamedTuple):
    """What DKMS knows, and which of the two kernels have headers."""

    site: Site
    registered: tuple[Registered, ...] = ()
    headers: dict[str, bool] | None = None


def observe(machine: Machine, profile: ResolvedProfile) -> Seen:
    """Read DKMS's folders; `dkms status` takes half a second."""
    site = observe_site(machine)
    if site.driver is None:
        return Seen(site)
    kernels = dict.fromkeys((site.driver.running_kernel, site.driver.next_kernel))
    return Seen(site, observe_dkms(machine), {kernel: has_headers(machine, kernel) for kernel in kernels})


def judge(seen: Seen, profile: ResolvedProfile) -> list[Outcome]:
    """One outcome per kernel; a second registered version warns."""
    if seen.site.driver is None or seen.headers is None:
        return [not_applicable(seen.site.why)]
    if not seen.registered:
        return [not_applicable("The driver's module is not built by DKMS here.")]
    evidence = [Evidence(f"/var/lib/dkms/{entry.name}/{entry.version}", entry.kernels) for entry in seen.registered]
    outcomes = [outcome for kernel, headers in seen.headers.items()
                if (outcome := _judge_kernel(seen, kernel, profile, evidence, headers=headers))]
    versions = sorted({entry.version for entry in seen.registered})
    if len(versions) > 1:
        outcomes.append(warned(f"DKMS has {len(versions)} versions of the driver registered: {', '.join(versions)}.",
                               subject="versions", seen=", ".join(versions), expected="one", evidence=evidence,
                               remedy=repair(profile, "Remove the old one: dkms remove -m nvidia -v VERSION --all")))
    return outcomes or [passed(f"DKMS has built driver {versions[0]} for kernel {' and '.join(seen.headers)}.",
                               seen=versions[0], evidence=evidence)]


def _judge_kernel(seen: Seen, kernel: str, profile: ResolvedProfile, evidence: list[Evidence], *,
                  headers: bool) -> Outcome | None:
    if any(kernel in entry.kernels for entry in seen.registered):
        return None
    broken = does_not_build(seen.site.driver, kernel) if seen.site.driver else ""
    steps: tuple[str, ...]
    log = next((entry for entry in seen.registered if entry.log), None)
    if broken:
        why, steps = broken, ("Boot the kernel before, or take a newer branch of the driver.",)
    elif not headers:
        why, steps = "its headers are not installed", (f"Install linux-headers-{kernel}.", "dkms autoinstall")
    elif log:
        why, steps = "the last build failed", (f"Read why: {log.log_path}", f"dkms autoinstall -k {kernel}")
        evidence = [*evidence, Evidence(log.log_path, log.log)]
    else:
        why, steps = "nobody asked it to", (f"As root: dkms autoinstall -k {kernel}",)
    return failed(f"DKMS has not built the driver for kernel {kernel}: {why}.", subject=kernel, seen="not built",
                  expected="built", evidence=evidence, remedy=repair(profile, *steps))


CHECK = Check(
    title="DKMS",
    why="DKMS builds the driver anew for every kernel; without headers or with a compiler error it fails in silence "
        "until the reboot.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="driver"),
)
