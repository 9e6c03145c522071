"""The reboot that an apply may ask for."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from agent.machine.process import run_command
from agent.model.errors import ProvisionError

WATCHERS = frozenset({"nvidia-persiste", "nv-hostengine", "nvidia-powerd", "nvidia-fabricm", "Xorg",
                      "gnome-shell", "Xwayland", "kwin_wayland", "plasmashell"})
WORK = re.compile(r"/dev/nvidia(\d+|-uvm)")


def gpu_users(proc: Path = Path("/proc")) -> tuple[str, ...]:
    """Return the processes that compute on an NVIDIA GPU as `name (pid)`; desktop and monitoring left out."""
    found = []
    for folder in sorted(proc.glob("[0-9]*")):
        with contextlib.suppress(OSError):
            name = (folder / "comm").read_text().strip()
            at_work = any(WORK.fullmatch(str(link.readlink())) for link in (folder / "fd").iterdir())
            if at_work and name not in WATCHERS:
                found.append(f"{name} ({folder.name})")
    return tuple(found)


def reboot() -> None:
    """Ask the system to reboot; it ends us in its turn. Raises ProvisionError when it will not."""
    answer = run_command(("systemctl", "reboot"), 30)
    if answer.code != 0:
        raise ProvisionError(f"systemctl reboot: {answer.err.strip() or f'exit code {answer.code}'}",
                             "reboot by hand: sudo systemctl reboot")
