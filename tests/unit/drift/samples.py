"""Small fingerprints and machines for the tests of drift."""

from __future__ import annotations

from typing import Any

from agent.model.drift import Drift, Fingerprint
from tests.fixtures import NOW, FakeMachine

STATUS = """Package: curl
Status: install ok installed
Architecture: amd64
Version: 7.88.1-10
Conffiles:
 /etc/bash.bashrc 89269e1298235f1b12b4c16e4065ad0d
 /etc/gone.conf 89269e1298235f1b12b4c16e4065ad0d
 /etc/same.conf 900150983cd24fb0d6963f7d28e17f72

Package: nvidia-driver
Status: hold ok installed
Architecture: amd64
Version: 535.1-1

Package: half
Status: install ok half-configured
Architecture: amd64
Version: 2

Package: removed
Status: deinstall ok config-files
Architecture: amd64
Version: 1
"""


def fingerprint(facts: dict[str, dict[str, str]] | None = None, **more: Any) -> Fingerprint:
    """Return a fingerprint of box-7 with these facts."""
    given: dict[str, Any] = {
        "machine": "box-7",
        "profile": "lab",
        "profile_digest": "d1",
        "system": "debian 12 x86_64",
        "taken": NOW,
        "facts": facts or {},
        **more,
    }
    return Fingerprint(**given)


def drift(key: str = "curl", **more: Any) -> Drift:
    """Return a drift of a package from the baseline."""
    given: dict[str, Any] = {
        "against": "baseline",
        "area": "package",
        "key": key,
        "before": "1",
        "after": "2",
        **more,
    }
    return Drift(**given)


def machine(
    files: dict[str, Any] | None = None,
    commands: dict[tuple[str, ...], Any] | None = None,
    **more: Any,
) -> FakeMachine:
    """Return a machine with a dpkg status file and what is given."""
    return FakeMachine({"/var/lib/dpkg/status": STATUS, **(files or {})}, commands, **more)
