"""`firstlight tui --web` in a real browser: `python -m tests.tui.browser [FILE.png]` makes the picture in docs.

Needs chromium (Debian package) and textual-serve. Both ends are on the loopback address; the browser can find no other.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.monitoring.stack import free_port, running, until

REPOSITORY = Path(__file__).resolve().parents[2]
PICTURE = REPOSITORY / "docs" / "pictures" / "browser.png"
WIDTH, HEIGHT = 1280, 800
DRAWN_BYTES, FULL_BYTES = 40_000, 120_000  # pictures of a screen, and of the overview with its report
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", f"--window-size={WIDTH},{HEIGHT}")
START = "import sys; from agent.cli.main import main; sys.exit(main(sys.argv[1:]))"


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve the demo machine to browsers; yield the address."""
    port = free_port()
    with running(folder / "web.log", sys.executable, "-c", START, "tui", "--demo", "--web", str(port),
                 env={**os.environ, "PYTHONPATH": str(REPOSITORY)}):
        address = f"http://127.0.0.1:{port}/"
        until(lambda: urllib.request.urlopen(address, timeout=5).status == 200, 120, "the page")
        yield address


@contextmanager
def browser(folder: Path) -> Iterator[str]:
    """Run chromium without a screen; yield the address of its DevTools."""
    program = shutil.which("chromium")
    assert program is not None, "needs chromium (package of Debian)"
    profile = folder / "profile"
    with running(folder / "chromium.log", program, *FLAGS, f"--user-data-dir={profile}", "--remote-debugging-port=0",
                 "about:blank"):
        told = profile / "DevToolsActivePort"
        port = until(lambda: told.exists() and told.read_text().split(), 120, "the browser")[0]
        yield f"http://127.0.0.1:{port}"


class Page:
    """One page, driven through DevTools."""

    def __init__(self, socket: Any) -> None:
        self._socket, self._number = socket, 0

    async def do(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command; return its result."""
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        while True:
            said = json.loads((await self._socket.receive()).data)
            if said.get("id") == self._number:
                return dict(said["result"])

    async def press(self, key: str) -> None:
        """Press a key that is a character; a click on the first line gives the page the keys."""
        for kind in ("mousePressed", "mouseReleased"):
            await self.do("Input.dispatchMouseEvent", type=kind, x=WIDTH - 60, y=8, button="left", clickCount=1)
        for kind in ("keyDown", "keyUp"):
            await self.do("Input.dispatchKeyEvent", type=kind, key=key, text=key if kind == "keyDown" else "",
                          code=f"Digit{key}", windowsVirtualKeyCode=ord(key))

    async def picture(self) -> bytes:
        """Return the page as PNG."""
        return base64.b64decode((await self.do("Page.captureScreenshot", format="png"))["data"])


async def visit(devtools: str, address: str, seconds: float = 120) -> tuple[bytes, bytes]:
    """Open the page; return pictures of the overview and of the fleet, each once it stands still."""
    import aiohttp

    async with aiohttp.ClientSession() as session:
        async with session.put(f"{devtools}/json/new?{address}") as answer:
            target = (await answer.json(content_type=None))["webSocketDebuggerUrl"]
        async with session.ws_connect(target, max_msg_size=0) as socket:
            page = Page(socket)
            overview = await _settled(page, seconds, FULL_BYTES)
            await page.press("8")
            return overview, await _settled(page, seconds, DRAWN_BYTES, unlike=overview)


async def _settled(page: Page, seconds: float, least: int, unlike: bytes = b"") -> bytes:
    """Return the picture when it has `least` bytes and only live readings change, or the last."""
    end, last = time.monotonic() + seconds, b""
    while time.monotonic() < end:
        await asyncio.sleep(2)
        seen = await page.picture()
        new = len(seen) > least and abs(len(seen) - len(unlike)) > 20_000
        if new and abs(len(seen) - len(last)) < len(seen) // 20:
            return seen
        last = seen
    return last


def main(file: Path) -> None:
    """Write the pictures of the overview and, after a key, of the fleet."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with served(folder) as address, browser(folder) as devtools:
            overview, fleet = asyncio.run(visit(devtools, address))
    file.write_bytes(overview)
    other = file.with_stem(f"{file.stem}-fleet")
    other.write_bytes(fleet)
    print(f"{file}: {len(overview)} bytes; {other}: {len(fleet)} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE)
