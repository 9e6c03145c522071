"""What ansible's events say: changes, refusals, failures, and which task is running."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from agent.model.plan import Change, Refusal
from agent.provision.differences import difference, limited, target_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

GO_ON = "Go on after a role that did not finish"
ARGUMENT_CHECK = "Validating arguments against arg spec"
NEEDS_ROOT = "needs root to look"
FAR = "firstlight_far"  # an event of ours: how far the task is that runs
_NO_PERMISSION = re.compile(
    r"permission denied|not permitted|\[errno 1\b|\[errno 13\b|must be root|are you root|requires? root|"
    r"need(s|ed)? (to be )?root|superuser|access denied", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Step:
    """The task that runs, in role `number` of `count`; a handler belongs to its role. `far`: how far it says it is."""

    role: str
    task: str
    number: int
    count: int
    far: str = ""


@dataclass(slots=True)
class _Trouble:
    """A failed task, not yet known to be more than a role's own rescue can mend."""

    task_id: str
    role: str
    task: str
    reason: str
    refused: bool


@dataclass(slots=True)
class Record:
    """Everything one run of the playbook said so far. `take` is given each event in order."""

    roles: Sequence[str]
    privileged: bool
    on_step: Callable[[Step], None] = lambda step: None
    on_change: Callable[[Change], None] = lambda change: None
    changes: list[Change] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    reboot_required: bool = False
    finished: bool = False
    _troubles: list[_Trouble] = field(default_factory=list)
    _looping: str = ""
    _step: Step | None = None

    def take(self, event: Mapping[str, Any]) -> None:
        """Take one event of ansible-runner."""
        data = event.get("event_data") or {}
        kind = event.get("event")
        if kind == "runner_on_start":
            self._start(data)
        elif kind == "runner_item_on_ok":
            self._looping = str(data.get("task_uuid"))
            self._ok(event, data)
        elif kind == "runner_on_ok":
            self._ended_ok(event, data)
        elif kind == "runner_item_on_failed":
            self._looping = str(data.get("task_uuid"))
            self._failed(data)
        elif kind in ("runner_on_failed", "runner_on_unreachable"):
            self._ended_failed(data)
        elif kind == "playbook_on_stats":
            self._stats(data)
        elif kind == FAR and self._step is not None:
            self.on_step(replace(self._step, far=str(data["text"])))

    @property
    def failure(self) -> str:
        """Every failure with its role and task, one a line; empty when none."""
        return "\n".join(self.failures)

    def _start(self, data: Mapping[str, Any]) -> None:
        role, task = str(data.get("role") or ""), str(data.get("task") or "")
        if task == GO_ON or task.startswith(ARGUMENT_CHECK):
            return
        number = self.roles.index(role) + 1 if role in self.roles else 0
        self._step = Step(role, task, number, len(self.roles))
        self.on_step(self._step)

    def _ended_ok(self, event: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        if data.get("task") == GO_ON:
            self._confirm(str((data.get("res") or {}).get("msg", "")))
        elif self._looping != data.get("task_uuid"):
            self._ok(event, data)

    def _ok(self, event: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        result = data.get("res") or {}
        changed = result.get("changed", str(event.get("stdout", "")).startswith("changed:"))
        self.reboot_required |= result.get("reboot_required") is True
        self.notes += [f"{data.get('role') or 'play'}: {limited(note, 2048)}" for note in result.get("notes") or ()]
        if changed:
            self._changes(data, result)

    def _changes(self, data: Mapping[str, Any], result: Mapping[str, Any]) -> None:
        role, task = str(data.get("role") or ""), str(data.get("task") or "")
        named = result.get("changes")
        if isinstance(named, list) and all(isinstance(change, dict) for change in named):
            parts = ("target", "before", "after")
            found = [Change(role, task, *(limited(change.get(part)) for part in parts)) for change in named]
        else:
            found = [Change(role, task, target_of(result), *difference(result.get("diff")))]
        for change in found:
            self.changes.append(change)
            self.on_change(change)

    def _failed(self, data: Mapping[str, Any]) -> None:
        result = data.get("res") or {}
        if result.get("changed") and result.get("changes"):
            self._changes(data, result)
        self._troubles.append(_Trouble(
            str(data.get("task_uuid")), str(data.get("role") or ""), str(data.get("task") or ""),
            _reason(result), result.get("refused") is True))

    def _ended_failed(self, data: Mapping[str, Any]) -> None:
        task_id = str(data.get("task_uuid"))
        if data.get("ignore_errors"):
            self._troubles = [trouble for trouble in self._troubles if trouble.task_id != task_id]
        elif self._looping != task_id:
            self._failed(data)

    def _confirm(self, task: str) -> None:
        """Keep the troubles of the task that ended its role; those before it the role mended itself."""
        kept = [trouble for trouble in self._troubles if trouble.task == task] or self._troubles[-1:]
        self._troubles = []
        for trouble in kept:
            if trouble.refused:
                self.refusals.append(Refusal(trouble.role, trouble.task, trouble.reason))
            elif not self.privileged and _NO_PERMISSION.search(trouble.reason):
                self.refusals.append(Refusal(trouble.role, trouble.task, f"{NEEDS_ROOT}: {trouble.reason}"))
            else:
                reason = " ".join(trouble.reason.split())
                self.failures.append(f"{trouble.role or 'play'}: {trouble.task}: {reason}")

    def _stats(self, data: Mapping[str, Any]) -> None:
        self.finished = True
        if data.get("failures") or data.get("dark"):
            self._confirm(self._troubles[-1].task if self._troubles else "")


def _reason(result: Mapping[str, Any]) -> str:
    """Return why a task failed, in at most 2 KiB: its message, and the last lines of its stderr."""
    if "censored" in result:
        return "failed; its output is hidden because it may hold a secret"
    message = str(result.get("msg") or "failed without a message").strip()
    said = str(result.get("stderr") or result.get("module_stderr") or "").strip().splitlines()[-3:]
    tail = [line for line in said if line.strip() and line.strip() not in message]
    return limited("\n".join([message, *tail]), 2048)
