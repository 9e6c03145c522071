"""One call of `firstlight smoke`: what every job of it needs to know."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agent.check import Outcome
from agent.machine.gpu import Cards, observe_cards
from agent.smoke.execution import Bounds
from agent.smoke.load import Load

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.gpu import Gpu
    from agent.model.profile import Smoke
    from agent.model.resolved import ResolvedProfile
    from agent.state.jobs import JobHistory

MEMORY_SHARE = 0.75


def silent(text: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class Session:
    """The machine, its profile with the caller's choices in `smoke`, and who is told what is going on.

    `history` is None when nothing is to be kept. `nsys_folder`: profile local jobs with Nsight Systems into it.
    `load`: what the job `vllm` measures.
    """

    machine: Machine
    resolved: ResolvedProfile
    smoke: Smoke
    hostname: str
    history: JobHistory | None = None
    allow_busy: bool = False
    threads: int = 0
    nsys_folder: str = ""
    load: Load = field(default_factory=Load)
    say: Callable[[str], None] = silent

    @functools.cached_property
    def cards(self) -> Cards:
        """The GPUs. Raises Unobservable."""
        return observe_cards(self.machine)

    @property
    def gpus(self) -> tuple[Gpu, ...]:
        """The GPUs that NVML shows."""
        return self.cards.view.gpus if self.cards.view else ()

    @property
    def bounds(self) -> Bounds:
        """What a job may take."""
        memory = self.smoke.memory_limit or int(MEMORY_SHARE * self.resolved.sizes.memory_bytes)
        return Bounds(self.smoke.time_limit_s, memory, self.smoke.disk_limit)


@dataclass(frozen=True, slots=True)
class JobResult:
    """What one job found on one subject (a GPU's UUID, or empty), and the document it is kept with."""

    outcome: Outcome
    figures: dict[str, float] = field(default_factory=dict)
    setting: str = ""
    document: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Job:
    """A smoke job: `run(session)` returns its results. `why` says what it proves, in one or two sentences."""

    title: str
    why: str
    run: Callable[[Session], list[JobResult]]
