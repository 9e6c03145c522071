"""What a service tells the systemd that started it: ready, stopping, still alive (sd_notify(3))."""

from __future__ import annotations

import os
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def notify(state: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Send `READY=1`, `WATCHDOG=1` … to systemd; return False where nobody asked for it or nobody listens."""
    address = environment.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        try:
            channel.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
        except OSError:
            return False
    return True


def watchdog_s(environment: Mapping[str, str] = os.environ) -> float | None:
    """Return the seconds after which systemd restarts us when it hears nothing; None when it does not watch."""
    told, meant_for = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not told.isdecimal() or int(told) == 0 or (meant_for and meant_for != str(os.getpid())):
        return None
    return int(told) / 1e6


def keep_alive(alive: Callable[[], bool], ended: threading.Event,
               environment: Mapping[str, str] = os.environ) -> threading.Thread | None:
    """Start a thread that reassures systemd while `alive` says so; None when systemd does not watch us.

    When `alive` says False nothing is sent, and systemd restarts the service after its WatchdogSec.
    """
    limit_s = watchdog_s(environment)
    if limit_s is None:
        return None

    def reassure() -> None:
        while not ended.wait(limit_s / 3):
            if alive():
                notify("WATCHDOG=1", environment)

    thread = threading.Thread(target=reassure, daemon=True, name="watchdog")
    thread.start()
    return thread
