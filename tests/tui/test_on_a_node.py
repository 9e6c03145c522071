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
SLOW_S, LIMITS = 300.0, "60-firstlight.conf"


@pytest.fixture
def terminal(node: Node) -> Iterator[Terminal]:
    """A terminal of 100x30 with `firstlight tui` on the node in it; closed at the end."""
    made = Terminal(node.name, ["docker", "exec", "-it", "-e", "TERM=xterm-256color", node.name, PROGRAM, "tui"],
                    (100, 30))
    yield made
    made.close()


def is_there(node: Node) -> bool:
    """Return whether the file of the role limits is there: the node's own, while kernel values are shared by all."""
    return LIMITS in node.run(["ls", "/etc/security/limits.d"]).out


def test_a_drift_is_seen_repaired_watched_and_green_though_the_terminal_was_closed(
    node: Node, terminal: Terminal
) -> None:
    done = node.firstlight("apply", "--yes", "--only", "limits")
    assert done.code == 0, str(done)
    assert is_there(node)
    node.sh(f"rm /etc/security/limits.d/{LIMITS}")
    terminal.open()
    terminal.until(" failed, ", SLOW_S)
    terminal.press("2")
    terminal.until("[2 Checks]")
    assert "✗ FAIL" in find_finding(terminal)
    terminal.press("f")
    assert LIMITS in terminal.until("Make th", SLOW_S)
    assert not is_there(node), "nothing is applied before the answer"
    terminal.press("a")
    terminal.until("it goes on when this screen", SLOW_S)
    terminal.close()
    node.run(["pkill", "-9", "-f", "bin/firstlight tu[i]"])
    end = time.monotonic() + SLOW_S
    while not is_there(node):
        assert time.monotonic() < end, "the apply did not go on"
        time.sleep(0.3)
    terminal.open()
    terminal.until("[1 Overview]")
    terminal.press("4")
    terminal.until("[4 History]")
    assert "apply" in until_kept(terminal)
    terminal.press("2")
    terminal.until("[2 Checks]")
    assert "✓ pass" in find_finding(terminal)
    assert node.firstlight("check", "--only", "system.limits-login").code == 0


def find_finding(terminal: Terminal) -> str:
    """Search for the finding and stand on it; return what is shown."""
    terminal.press("/", *"limits-login")
    terminal.until("limits-login\n")
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
