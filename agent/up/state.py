"""What a first boot must remember between its starts: one small file, written whole or not at all."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from agent.model.errors import StateError
from agent.state.atomic import write_atomic
from agent.state.folder import make_folder

if TYPE_CHECKING:
    from pathlib import Path

FILE = "up.json"
SCHEMA = 1


class Stage(StrEnum):
    """What comes next. Every stage may be begun again."""

    PLAN = "plan"
    APPLY = "apply"
    REBOOT = "reboot"
    CHECK = "check"
    SMOKE = "smoke"
    SCORECARD = "scorecard"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class FirstBoot:
    """A first boot. `profile` is what the caller named (None: the one that fits), `digest` what was agreed to.

    An empty digest agrees to whatever fits (an image made for machines not yet seen).
    `boot_id` is the kernel's id of the boot in which the stage began. `asked` = a person at a terminal agreed;
    `starts` counts the beginnings, `attempts` the failed applies in a row, `reboots` those we asked for.
    `notes` are sentences for the scorecard. The report is a number in the history. Times in epoch seconds.
    """

    id: str
    stage: Stage
    profile: str | None
    digest: str
    started: float
    boot_id: str
    asked: bool = False
    allow_reboot: bool = False
    allow_disruption: bool = False
    starts: int = 0
    attempts: int = 0
    reboots: int = 0
    changes: int = 0
    check_report: int | None = None
    notes: tuple[str, ...] = ()

    def noted(self, *notes: str) -> FirstBoot:
        """Return this with further notes, each once."""
        return replace(self, notes=tuple(dict.fromkeys((*self.notes, *notes))))

    def to(self, stage: Stage) -> FirstBoot:
        """Return this at another stage."""
        return replace(self, stage=stage)


class StateFile:
    """The file in the state folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE

    def find(self) -> FirstBoot | None:
        """Return the first boot that was begun, None when there is none. Raises StateError when it is damaged."""
        try:
            document = json.loads(self.path.read_text(encoding="utf-8"))
            return _from(document)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StateError(f"{self.path}: cannot be read: {error}",
                             f"begin anew: sudo rm {self.path}; sudo firstlight up") from error

    def save(self, state: FirstBoot) -> None:
        """Write it. Raises StateError (disk full, read-only)."""
        make_folder(self.path.parent)
        document = {"schema": SCHEMA, "saved": time.time(), **asdict(state)}
        write_atomic(self.path, json.dumps(document, ensure_ascii=False, indent=1) + "\n", 0o600)

    def remove(self) -> None:
        """Forget it."""
        self.path.unlink(missing_ok=True)


def _from(document: dict[str, Any]) -> FirstBoot:
    if document["schema"] != SCHEMA:
        raise ValueError(f"schema {document['schema']!r} is not known")
    values = {name: value for name, value in document.items() if name not in ("schema", "saved")}
    return FirstBoot(**values | {"stage": Stage(values["stage"]), "notes": tuple(map(str, values["notes"]))})
