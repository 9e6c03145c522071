"""What an apply would change, and what it did change."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Change:
    """One change to the machine: made by an apply, or predicted by a plan.

    `role`, `task` and `target` identify it: a plan and the apply that follows agree on the set of these.
    `target` is the file, package, unit or key; `before`/`after` are texts (may be empty when unknown).
    """

    role: str
    task: str
    target: str = ""
    before: str = ""
    after: str = ""

    @property
    def identity(self) -> tuple[str, str, str]:
        """What a plan and an apply are compared by."""
        return (self.role, self.task, self.target)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something a role would not do, and why (a disk that is not blank, a busy GPU)."""

    role: str
    task: str
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The changes that an apply of `profile` limited to `roles` would make now.

    `failure` names the role and task that could not be planned for another reason than a refusal. `notes` is
    what a role found that is no change: who manages the driver here, what a person must do.
    """

    profile: str
    profile_digest: str
    roles: tuple[str, ...]
    changes: tuple[Change, ...]
    refusals: tuple[Refusal, ...] = ()
    failure: str = ""
    notes: tuple[str, ...] = ()


class Outcome(StrEnum):
    """How a run of plan or apply ended."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Run:
    """One plan or apply. `id` is sortable by time; `failure` says what went wrong in one sentence."""

    id: str
    kind: str
    profile: str
    roles: tuple[str, ...]
    outcome: Outcome
    started: float
    finished: float
    changes: tuple[Change, ...]
    refusals: tuple[Refusal, ...] = ()
    failure: str = ""
    reboot_required: bool = False
    notes: tuple[str, ...] = ()
