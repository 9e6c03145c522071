"""A kept result of a smoke job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

REMOTE = "remote"  # begins the setting of what was measured of a server elsewhere (smoke --url)


@dataclass(frozen=True, slots=True)
class JobLine:
    """One kept result. `subject` is a GPU's UUID or empty; `setting` what must be equal for figures to compare."""

    machine: str
    job: str
    subject: str
    setting: str
    started: float
    duration_s: float
    verdict: str
    figures: dict[str, float]
    document: dict[str, Any]

    @property
    def remote(self) -> bool:
        """Return whether it tells of a server elsewhere, and so proves nothing of this machine."""
        return self.setting.startswith(REMOTE)
