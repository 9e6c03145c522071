"""The whole loop by real keys in a real terminal, on a disposable machine; the terminal is closed in the middle."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.node.conftest import engine, image, node, wheel_folder
from tests.node.nodes import Node
from tests.tui.terminal import Terminal

__all__ = ["engine", "image", "node", "wheel_folder"]
pytestmark = [pytest.mark.node, pytest.mark.timeout(900)]
PROGRAM = "/opt/firstlight/bin/firstlight"
SLOW_S = 300.0


@pytest.fixture
def terminal(node: Node) -> Iterator[Terminal]:
    """A terminal of 100x30 with `firstlight tui` on the node in it; closed at the end."""
    made = Terminal(node.name, ["docker", "exec", "-it", "-e", "TERM=xterm-256color", node.name, PROGRAM, "tui"],
                    (100, 30))
    yield made
    made.close()


def swappiness(node: Node, expected: str, seconds: float) -> None:
    """Wait until the kernel has a value."""
    end = time.monotonic() + seconds
    while (seen := node.read("/proc/sys/vm/swappiness").strip()) != expected:
        assert time.monotonic() < end, f"the apply did not go on: {seen}"
        time.sleep(0.3)


def test_a_drift_is_seen_repaired_watched_and_green_though_the_terminal_was_closed(
    node: Node, terminal: Terminal
) -> None:
    done = node.firstlight("apply", "--yes", "--only", "sysctl,limits")
    assert done.code == 0, str(done)
    node.sh("sysctl -q vm.swappiness=60; rm /etc/sysctl.d/*firstlight*")
    terminal.open()
    terminal.until(" failed, ", SLOW_S)
    terminal.press("2")
    terminal.until("[2 Checks]")
    find_swappiness(terminal)
    terminal.press("f")
    shown = terminal.until("Make these", SLOW_S)
    assert "- 60" in shown
    assert "+ 7" in shown
    assert node.read("/proc/sys/vm/swappiness").strip() == "60", "nothing is applied before the answer"
    terminal.press("a")
    terminal.until("so far", SLOW_S)
    terminal.close()
    node.run(["pkill", "-9", "-f", "bin/firstlight tu[i]"])
    swappiness(node, "7", SLOW_S)
    terminal.open()
    terminal.until("[1 Overview]")
    terminal.press("4")
    terminal.until("[4 History]")
    shown = until_kept(terminal)
    assert "apply" in shown
    terminal.press("2")
    terminal.until("[2 Checks]")
    assert "✓ pass" in find_swappiness(terminal)
    assert node.firstlight("check", "--only", "kernel.sysctl").code == 0


def find_swappiness(terminal: Terminal) -> str:
    """Search for the finding and stand on it; return what is shown."""
    terminal.press("/", *"swappi")
    terminal.until("swappi\n")
    terminal.press("Enter")
    return terminal.press_until("Down", "why it matters")


def until_kept(terminal: Terminal) -> str:
    """Reload the history until the apply that went on by itself stands in it as done."""
    end = time.monotonic() + SLOW_S
    while True:
        shown = terminal.text()
        if any("apply" in line and "done, " in line for line in shown.splitlines()):
            return shown
        assert time.monotonic() < end, f"the apply is not in the history:\n{shown}"
        terminal.press("u")
        time.sleep(1)
