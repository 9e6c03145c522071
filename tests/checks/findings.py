"""Runs one check on a fake machine and says in short what it found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.check import Check
from agent.engine.judgement import run_check
from agent.machine.api import Machine
from agent.model.errors import Unobservable
from agent.model.finding import Finding
from agent.model.profile import Profile
from agent.model.resolved import ResolvedProfile, resolve
from agent.model.units import GIB

MEMORY_BYTES = 32 * GIB
DENIED = Unobservable("permission denied")
CONTAINER = {"/run/systemd/container": "docker\n"}
SYSTEMD = ("/run/systemd/system",)


def profile(**sections: Any) -> ResolvedProfile:
    """Return a profile with these sections for a machine of 32 GiB."""
    return resolve(Profile.model_validate({"name": "test", **sections}), MEMORY_BYTES, "digest")


def found(check: Check[Any], machine: Machine, **sections: Any) -> list[Finding]:
    """Return the findings of a check; a crash in it is an error of the test."""
    findings = run_check("area.name", check, machine, profile(**sections)).findings
    crashed = [finding.summary for finding in findings if finding.summary.startswith("the check crashed")]
    assert not crashed, crashed
    return list(findings)


def found_by(checks: Mapping[str, Check[Any]], machine: Machine, **sections: Any) -> list[Finding]:
    """Return what each of these checks finds on one machine; a crash in one is an error of the test."""
    resolved = profile(**sections)
    findings = [finding for check_id, check in checks.items()
                for finding in run_check(check_id, check, machine, resolved).findings]
    assert not [finding.summary for finding in findings if finding.summary.startswith("the check crashed")]
    return findings


def verdicts(check: Check[Any], machine: Machine, **sections: Any) -> list[tuple[str, str]]:
    """Return (verdict, subject) of each finding."""
    return [(finding.verdict.value, finding.subject) for finding in found(check, machine, **sections)]


def only(check: Check[Any], machine: Machine, **sections: Any) -> Finding:
    """Return the one finding of a check."""
    (finding,) = found(check, machine, **sections)
    return finding


def units_text(*names: str, **given: dict[str, str]) -> str:
    """Return what `systemctl show` prints for units: those not given do not exist.

    `given` is keyed by unit with dots and dashes as underscores.
    """
    blocks = []
    for name in names:
        unit = given.get(name.replace(".", "_").replace("-", "_"))
        properties = {"Id": name, "LoadState": "not-found", "ActiveState": "inactive", "UnitFileState": ""}
        properties |= {"LoadState": "loaded", **unit} if unit is not None else {}
        blocks.append("".join(f"{key}={value}\n" for key, value in properties.items()))
    return "\n".join(blocks)
