"""The frozen values a face is given, and how they cross the pipe from a worker process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.fleet.cohorts import Cohort, Odd
from agent.fleet.look import FleetLook
from agent.model.drift import Difference, Drift
from agent.model.plan import Change, Plan, Refusal

if TYPE_CHECKING:
    from agent.model.gpu import Gpu, GpuMemory, Reading
    from agent.model.job import JobLine


@dataclass(frozen=True, slots=True)
class CheckInfo:
    """What is known of a check before it runs. `level`: quick, standard or deep; `role` puts right what it finds."""

    id: str
    title: str
    why: str
    level: str
    role: str = ""


@dataclass(frozen=True, slots=True)
class ProfileValue:
    """One value of the profile as JSON text, and where it is written: `file:line`, "default" or "recorded"."""

    key: str
    value: str
    origin: str


@dataclass(frozen=True, slots=True)
class Look:
    """The machine and its profile. Memory in bytes, 0 when it could not be told; `problem` says why not all is here.

    `rows` are (label, text) of the card; `gpu_held_bytes` is what GPU processes hold, None when not told. `timers` are
    (name, when next), None where nobody could be asked. `limits`: (GPU's UUID, figure, least, most) that is known of
    such cards. `first_boot` says where one that is not over stands.
    """

    hostname: str
    rows: tuple[tuple[str, str], ...] = ()
    memory_bytes: int = 0
    available_bytes: int = 0
    gpu_held_bytes: int | None = None
    unified: bool = False
    profile: str = ""
    digest: str = ""
    reason: str = ""
    values: tuple[ProfileValue, ...] = ()
    checks: tuple[CheckInfo, ...] = ()
    jobs: tuple[CheckInfo, ...] = ()
    roles: tuple[str, ...] = ()
    timers: tuple[tuple[str, str], ...] | None = None
    limits: tuple[tuple[str, str, float, float], ...] = ()
    first_boot: str = ""
    reboot_wanted: bool = False
    privileged: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class LiveCard:
    """One GPU now. `reasons` are the words for what holds its clocks; `processes` are (pid, name, bytes or None)."""

    gpu: Gpu
    memory: Reading[GpuMemory]
    reasons: tuple[str, ...] = ()
    processes: tuple[tuple[int, str, int | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """All GPUs at one moment. `trouble` says why there are none or not all; empty when all answered.

    `available_bytes` is the host's MemAvailable, 0 when it could not be read.
    """

    cards: tuple[LiveCard, ...] = ()
    driver: str = ""
    cuda: str = ""
    trouble: str = ""
    available_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Proof:
    """A smoke job's kept results on one subject, oldest first, and the figures of its first day (median).

    `current`: the job's newest run was on it too; a replaced card's results are shown, but count no more.
    """

    job: str
    subject: str
    lines: tuple[JobLine, ...]
    first_day: dict[str, float]
    current: bool = True


@dataclass(frozen=True, slots=True)
class Drifted:
    """One look for drift. `baseline` says when, by whom and why one was accepted, empty without one.

    `unseen`: (what could not be compared, why). `taken` in seconds since the epoch.
    """

    drifts: tuple[Drift, ...]
    unseen: tuple[tuple[str, str], ...]
    baseline: str
    taken: float


def drifted_from(document: dict[str, Any]) -> Drifted:
    """Return the look for drift in a worker's JSON object."""
    return Drifted(tuple(Drift(**drift) for drift in document["drifts"]),
                   tuple((area, why) for area, why in document["unseen"]), document["baseline"], document["taken"])


def fleet_from(document: dict[str, Any]) -> FleetLook:
    """Return the look at a fleet in a worker's JSON object."""
    cohorts = tuple(
        Cohort(each["profile"], each["system"], each["machines"], tuple(
            Odd(tuple(odd["machines"]), tuple(Difference(**item) for item in odd["differences"]), tuple(odd["own"]))
            for odd in each["odd"]))
        for each in document["cohorts"])
    return FleetLook(tuple((name, state, said) for name, state, said in document["machines"]), cohorts, document["own"])


def look_from(document: dict[str, Any]) -> Look:
    """Return the look in a worker's JSON object."""
    timers = document.get("timers")
    plain = {name: document[name] for name in Look.__slots__ if name in document}
    return Look(**plain | {
        "rows": tuple((label, text) for label, text in document.get("rows", ())),
        "values": tuple(ProfileValue(**value) for value in document.get("values", ())),
        "checks": tuple(CheckInfo(**check) for check in document.get("checks", ())),
        "jobs": tuple(CheckInfo(**job) for job in document.get("jobs", ())),
        "roles": tuple(document.get("roles", ())),
        "timers": tuple((name, when) for name, when in timers) if timers is not None else None,
        "limits": tuple((uuid, figure, least, most) for uuid, figure, least, most in document.get("limits", ())),
    })


def plan_from(document: dict[str, Any]) -> Plan:
    """Return the plan in a worker's JSON object."""
    return Plan(**document | {
        "roles": tuple(document["roles"]),
        "changes": tuple(Change(**change) for change in document["changes"]),
        "refusals": tuple(Refusal(**refusal) for refusal in document["refusals"]),
    })
