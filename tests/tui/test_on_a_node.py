"""The whole loop by real keys in a real terminal, on a disposable machine; the terminal is closed in the middle."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.node.conftest import engine, image, node, wheel_folder
from tests.node.nodes import Node

__all__ = ["engine", "image", "node", "wheel_folder"]
pytestmark = [pytest.mark.node, pytest.mark.timeout(600)]
SOCKET = "firstlight-test"


class Terminal:
    """A terminal of 100x30 in tmux with `firstlight tui` on a node in it."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def open(self) -> None:
        """Start it."""
        inside = f"docker exec -it -e TERM=xterm-256color {self.node.name} /opt/firstlight/bin/firstlight tui"
        self._tmux("new-session", "-d", "-x", "100", "-y", "30", "-s", self.node.name, inside)

    def close(self) -> None:
        """Close it as a person closes a window: everything on it gets a hangup, then worse."""
        self._tmux("kill-session", "-t", self.node.name, check=False)
        self.node.run(["pkill", "-9", "-f", "bin/firstlight tu[i]"])

    def press(self, *keys: str) -> None:
        """Press keys one after another."""
        for key in keys:
            self._tmux("send-keys", "-t", self.node.name, key)
            time.sleep(0.1)

    def text(self) -> str:
        """Return what the terminal shows."""
        return self._tmux("capture-pane", "-p", "-t", self.node.name)

    def until(self, words: str, seconds: float = 90) -> str:
        """Wait until the terminal shows some words; return everything it shows."""
        end = time.monotonic() + seconds
        while words not in (shown := self.text()):
            assert time.monotonic() < end, f"no {words!r} within {seconds} s:\n{shown}"
            time.sleep(0.2)
        return shown

    def _tmux(self, *words: str, check: bool = True) -> str:
        done = subprocess.run(["tmux", "-L", SOCKET, *words], capture_output=True, text=True, check=check)
        return done.stdout


@pytest.fixture
def terminal(node: Node) -> Iterator[Terminal]:
    """A terminal that is closed at the end."""
    if shutil.which("tmux") is None:
        pytest.skip("needs tmux")
    made = Terminal(node)
    yield made
    made.close()


def test_a_drift_is_seen_repaired_watched_and_green_though_the_terminal_was_closed(
    node: Node, terminal: Terminal
) -> None:
    done = node.firstlight("apply", "--yes", "--only", "sysctl,limits")
    assert done.code == 0, str(done)
    node.sh("sysctl -q vm.swappiness=60; rm /etc/sysctl.d/*firstlight*")
    terminal.open()
    terminal.until("failed,")
    terminal.press("2", "/", "s", "w", "a", "p", "p", "i", "Enter", "j")
    terminal.until("why it matters")
    terminal.press("f")
    shown = terminal.until("Make these")
    assert "- 60" in shown
    assert "+ 7" in shown
    assert node.read("/proc/sys/vm/swappiness").strip() == "60", "nothing is applied before the answer"
    terminal.press("a")
    terminal.until("so far")
    terminal.close()
    terminal.open()
    terminal.until("[1 Overview]")
    end = time.monotonic() + 60
    while node.read("/proc/sys/vm/swappiness").strip() != "7":
        assert time.monotonic() < end, "the apply did not go on"
        time.sleep(0.3)
    time.sleep(2)
    terminal.press("r")
    terminal.until("apply")  # among the last runs or in the status line
    terminal.press("4")
    shown = terminal.until("done, ")
    assert "apply" in shown
    assert node.firstlight("check", "--only", "kernel.sysctl").code == 0
