"""Firstlight's own surroundings: what must be there for it to work."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from agent import resources
from agent.model.errors import FirstlightError
from agent.model.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS = ("agent", "checks", "tui")
NEEDED = ("ansible-core", "ansible-runner", "pydantic", "pyyaml", "rich")


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that was looked at, what was seen, and what to do about it (empty when nothing)."""

    name: str
    verdict: Verdict
    seen: str
    to_do: str = ""


def facts() -> list[Fact]:
    """Return everything worth knowing about our own installation."""
    return [_python(), *_packages(), _names(), _data(), _ansible(), _state(), *_provisioning(), _rights()]


def _python() -> Fact:
    text = f"{sys.version.split()[0]} at {sys.executable}"
    good = sys.version_info >= (3, 11)
    return Fact(
        "Python",
        Verdict.PASS if good else Verdict.FAIL,
        text,
        "" if good else "install Python 3.11 or newer",
    )


def _packages() -> Iterator[Fact]:
    for name in NEEDED:
        try:
            yield Fact(name, Verdict.PASS, metadata.version(name))
        except metadata.PackageNotFoundError:
            yield Fact(
                name, Verdict.FAIL, "not installed", "install Firstlight again into its own environment"
            )


def _names() -> Fact:
    """Say whether another distribution brings packages of our (generic) names."""
    others = sorted(
        {
            f"{item.metadata['Name']} ({file.parts[0]})"
            for item in metadata.distributions()
            if (item.metadata["Name"] or "").lower() != "firstlight"
            for file in item.files or ()
            if file.parts[0] in OURS
        }
    )
    home = Path(__file__).resolve().parents[2]
    strangers = [name for name in OURS if not (home / name / "__init__.py").is_file()]
    if others or strangers:
        return Fact(
            "package names",
            Verdict.FAIL,
            f"taken by {', '.join(others) or ', '.join(strangers)}",
            "install Firstlight into an environment of its own",
        )
    return Fact("package names", Verdict.PASS, f"{', '.join(OURS)} are ours, in {home}")


def _data() -> Fact:
    from agent.config import files, profiles

    try:
        site = resources.playbooks() / "site.yml"
        site.read_bytes()
        names = [profiles.load(name).profile.name for name in files.named_files()]
    except FirstlightError as error:
        return Fact("shipped data", Verdict.FAIL, error.message, error.hint)
    except OSError as error:
        return Fact(
            "shipped data", Verdict.FAIL, f"{error.filename}: {error.strerror}", "install Firstlight again"
        )
    return Fact("shipped data", Verdict.PASS, f"{len(names)} profiles, playbooks in {site.parent}")


def _ansible() -> Fact:
    beside = Path(sys.executable).parent
    found = shutil.which(
        "ansible-playbook", path=os.pathsep.join([str(beside), os.environ.get("PATH", "")])
    )
    if found is None:
        return Fact(
            "ansible-playbook",
            Verdict.FAIL,
            "not found",
            "install Firstlight again into its own environment",
        )
    return Fact("ansible-playbook", Verdict.PASS, found)


def _state() -> Fact:
    from agent.app import App

    try:
        with App().history() as history:
            kept, seen, notice = len(history.entries(1000)), str(history.file), history.notice
    except FirstlightError as error:
        return Fact("history", Verdict.FAIL, error.message, error.hint)
    if notice:
        return Fact("history", Verdict.WARN, notice, "nothing; the new history is in use")
    return Fact("history", Verdict.PASS, f"{kept} entries in {seen}")


def _provisioning() -> Iterator[Fact]:
    from agent.provision.journal import find_interrupted
    from agent.provision.lock import held
    from agent.provision.places import places

    where = places()
    try:
        if where.lock.exists():
            with held(where.lock, "doctor", shared=True):
                pass
    except (FirstlightError, OSError) as error:
        yield Fact("lock", Verdict.WARN, str(error), "wait for that run to end")
    else:
        yield Fact("lock", Verdict.PASS, "no run is active")
        interrupted = find_interrupted(where.runs)
        if interrupted is not None:
            yield Fact(
                "last run",
                Verdict.WARN,
                f"interrupted: {interrupted.folder.name}",
                "firstlight apply finishes it",
            )


def _rights() -> Fact:
    if os.geteuid() == 0:
        return Fact("rights", Verdict.PASS, "root: everything can be looked at and changed")
    return Fact(
        "rights", Verdict.PASS, "no root: apply and fix need sudo, and some checks stay unknown without"
    )
