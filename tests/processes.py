"""What tests ask of the process table."""

from __future__ import annotations

import subprocess
import time


def gone(command_line: str, within_s: float = 5) -> bool:
    """Return whether no process has this in its command line any more; one that was killed may take a moment."""
    deadline = time.monotonic() + within_s
    while subprocess.run(["pgrep", "-f", command_line], capture_output=True, check=False).returncode == 0:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
