"""The rows about what goes wrong: Xids, errors of NVSwitches, texts that programs print."""

from __future__ import annotations

from dataclasses import dataclass

from agent.matrix.rows import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Xid(Row):
    """A Xid. `action` and `then` are NVIDIA's words, `gpud_*` another source's.

    `application`: NVIDIA's Kubernetes plugin ignores it.
    """

    code: int
    name: str
    driver_name: str = ""
    what: str = ""
    unused: bool = False
    action: str = ""
    then: str = ""
    gpud_event: str = ""
    gpud_actions: tuple[str, ...] = ()
    application: bool = False
    look: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SXid(Row):
    """An error of an NVSwitch. `kind`: non-fatal, fatal, always-fatal, other-notable; `gpud_*` another source's."""

    code: int
    name: str
    kind: str
    impact: str = ""
    recovery: str = ""
    gpud_event: str = ""
    gpud_actions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Symptom(Row):
    """A text that programs print when something is wrong. `source`: ids, or threads as owner/name#number."""

    pattern: str
    cause: str
    look: tuple[str, ...]
    remedy: tuple[str, ...]
    rows: tuple[str, ...] = ()
