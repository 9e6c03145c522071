"""Every screen by real keys in a real terminal, at two sizes: what a person meets. About 20 s each."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.tui.browser import START
from tests.tui.terminal import Terminal

REPOSITORY = Path(__file__).resolve().parents[2]
SCREENS = {"1": "[1 Overview]", "2": "[2 Checks]", "3": "[3 Provision]", "4": "[4 History]", "5": "[5 GPU]",
           "6": "[6 Drift]", "7": "[7 Smoke]", "8": "[8 Fleet]"}
SEEN = {"1": "GPU0", "2": "container", "3": "First boot", "4": "result", "5": "PCIe", "6": "no baseline yet",
        "7": "✓ pass", "8": "rack7-gpu11"}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("size", [(80, 24), (140, 40)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_every_screen_answers_real_keys(size: tuple[int, int]) -> None:
    words = ["env", f"PYTHONPATH={REPOSITORY}", sys.executable, "-c", START, "tui", "--demo"]
    terminal = Terminal(f"faces-{os.getpid()}-{size[0]}", words, size)
    terminal.open()
    try:
        terminal.until(" failed, ")
        for key, title in SCREENS.items():
            terminal.press(key)
            terminal.until(title)
            shown = terminal.until(SEEN[key])
            assert max(map(len, shown.splitlines())) <= size[0]
            assert shown.startswith("Firstlight") == (size[0] > 100), "it is as wide as its terminal"
            terminal.press("?")
            terminal.until("keys ─")
            terminal.press("?")  # not Escape: with a key close behind it would be Alt and that key
            terminal.until_gone("keys ─")
        terminal.press("3", "n")
        terminal.until("Make these 6 changes?")
        terminal.press("a")
        terminal.until("✓ done, 6 changes")
        terminal.press("Escape")
        terminal.until("✓ 2. plan")
        terminal.press("8", "/", *"gpu13", "Enter")
        terminal.until("unreadable")
        terminal.press("q")
        assert terminal.goes()
    finally:
        terminal.close()
