"""Putting our units in place and taking every trace of them away."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.config import kept
from agent.machine.process import run_command
from agent.model.errors import FirstlightError, Missing, UsageError
from agent.provision.reboot import gpu_users
from agent.state.atomic import write_atomic
from agent.systemd import publish
from agent.systemd.rendering import EXPORTER, started
from agent.systemd.verification import verify

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

UNITS = Path("/etc/systemd/system")
STAMPS = Path("/var/lib/systemd/timers")
_PREFIXES = ("firstlight-check-", "firstlight-drift", "firstlight-exporter.")
_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an install or a removal did: unit files written, removed, and what was left with the reason."""

    written: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


def install(units: Mapping[str, str], state: Path, program: Path, *, allow_disruption: bool = False,
            folder: Path = UNITS) -> Outcome:
    """Verify the units, write what is new or changed, take away those we no longer have, start the timers.

    Changes nothing and returns an empty outcome when all stands as it should. Raises FirstlightError.
    """
    complaints = verify(units)
    if complaints:
        raise FirstlightError("systemd does not accept our units:\n" + "\n".join(complaints),
                              "nothing was installed; this is a fault of Firstlight or an old systemd")
    if EXPORTER in units:
        require_reachable(program)
    changed = tuple(name for name, text in units.items() if _read(folder / name) != text)
    gone = tuple(name for name in ours(folder) if name not in units)
    if changed or gone:
        refuse_while_busy(allow_disruption)
    publish.publish(state)
    _stop(gone)
    for name in changed:
        write_atomic(folder / name, units[name])
    for name in gone:
        (folder / name).unlink(missing_ok=True)
    if changed or gone:
        systemctl("daemon-reload")
    wanted = started(units)
    systemctl("--no-reload", "--quiet", "--now", "enable", *wanted)
    if again := [name for name in wanted if name in changed]:
        systemctl("restart", *again)
    return Outcome(written=changed, removed=gone)


def remove(state: Path, *, allow_disruption: bool = False, folder: Path = UNITS, stamps: Path = STAMPS) -> Outcome:
    """Stop and disable our units, and take away their files, time stamps, the published copy and the kept profile.

    An administrator's own drop-ins are left and named. Raises FirstlightError.
    """
    names = ours(folder)
    if names:
        refuse_while_busy(allow_disruption)
        _stop(names)
        for name in names:
            (folder / name).unlink(missing_ok=True)
        systemctl("daemon-reload")
        run_command(("systemctl", "reset-failed", *names), _SECONDS)  # fails for units that did not fail
    for stamp in stamps.glob("stamp-firstlight-*.timer"):
        stamp.unlink(missing_ok=True)
    _remove_published(state)
    (state / kept.NAME).unlink(missing_ok=True)  # the next look resolves it anew
    left = tuple(f"{path}: made by somebody else" for path in sorted(folder.glob("firstlight-*.d")))
    return Outcome(removed=names, left=left)


def ours(folder: Path = UNITS) -> tuple[str, ...]:
    """Return the unit files of ours that are there, the first boot's left out."""
    found = (path.name for path in sorted(folder.glob("firstlight-*")) if path.is_file() and not path.is_symlink())
    return tuple(name for name in found if name.startswith(_PREFIXES))


def refuse_while_busy(allow_disruption: bool) -> None:
    """Raise UsageError while work is on a GPU: containers can lose their GPU when systemd reads its units anew."""
    users = () if allow_disruption else gpu_users()
    if users:
        raise UsageError(f"{', '.join(users)} use the GPU; containers among them may lose it when systemd reloads",
                         "wait for them, or add --allow-disruption")


def require_reachable(program: Path) -> None:
    """Raise UsageError unless any user can run the program: the exporter runs as one without rights."""
    for part in (program, *program.parents):
        if str(part) in ("/root", "/home") or not part.stat().st_mode & 0o001:
            raise UsageError(f"{program}: the exporter runs without rights and cannot get through {part}",
                             "install Firstlight where everybody may read: /opt/firstlight")


def systemctl(*words: str) -> None:
    """Run systemctl. Raises FirstlightError with what it said."""
    try:
        answer = run_command(("systemctl", *words), _SECONDS)
    except Missing as error:
        raise FirstlightError("there is no systemctl here", "units need a machine that runs systemd") from error
    if answer.code != 0:
        said = answer.err.strip() or f"exit code {answer.code}"
        raise FirstlightError(f"systemctl {' '.join(words)}: {said}", "see: systemctl status 'firstlight-*'")


def require_systemd() -> None:
    """Raise UsageError where systemd does not run, or without root."""
    if not Path("/run/systemd/system").is_dir():
        raise UsageError("systemd does not run here (no /run/systemd/system)", "run the checks from cron instead")
    if os.geteuid() != 0:
        raise UsageError("this changes the system and needs root", "run it again with sudo")


def _stop(names: Collection[str]) -> None:
    wanted = started(names)
    if wanted:
        systemctl("--no-reload", "--quiet", "--now", "disable", *wanted)
    if rest := [name for name in names if name not in wanted]:
        systemctl("stop", *rest)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _remove_published(state: Path) -> None:
    folder = state / publish.FOLDER
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
