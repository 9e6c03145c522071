"""The unit that goes on with a first boot after the machine has been restarted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.state.atomic import sync_folder, write_atomic
from agent.systemd.installation import UNITS, systemctl
from agent.systemd.rendering import FIRST_BOOT, Setting, render_first_boot

if TYPE_CHECKING:
    from pathlib import Path

WANTED = "multi-user.target.wants"


def enable(setting: Setting, folder: Path = UNITS) -> None:
    """Write and enable the unit for the next boot; systemd is not reloaded, so nobody's work is disturbed.

    The folders are on disk before the return, so that a power cut a moment later finds it. Raises FirstlightError.
    """
    text = render_first_boot(setting)
    if not (folder / FIRST_BOOT).exists() or (folder / FIRST_BOOT).read_text(encoding="utf-8") != text:
        write_atomic(folder / FIRST_BOOT, text)
    if not (folder / WANTED / FIRST_BOOT).is_symlink():
        systemctl("--no-reload", "--quiet", "enable", FIRST_BOOT)
    for changed in (folder, folder / WANTED):
        sync_folder(changed)


def disable(folder: Path = UNITS) -> None:
    """Take the unit away. Raises OSError."""
    (folder / WANTED / FIRST_BOOT).unlink(missing_ok=True)
    (folder / FIRST_BOOT).unlink(missing_ok=True)
