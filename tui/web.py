"""The same screens in a browser: textual-serve starts one of us for each page, on the loopback address only.

A page of somebody else that is open in the same browser must not reach it: requests say where they come from, and
only our own page may. Our page asks nobody but us (that of textual-serve fetches a font from elsewhere).
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from agent.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")
PAGE = Path(__file__).with_name("page")


def serve(port: int, words: Sequence[str]) -> None:
    """Serve until interrupted. Raises UsageError for a bad port or when textual-serve is not installed."""
    if not 1 <= port <= 65535:
        raise UsageError(f"tui: {port} is no port", "name one from 1024 to 65535")
    try:
        from textual_serve.server import Server  # type: ignore[import-not-found,unused-ignore]
    except ModuleNotFoundError as error:
        raise UsageError("tui: --web needs textual-serve, which is not installed",
                         f"in Firstlight's source folder: {sys.prefix}/bin/pip install '.[web]'") from error

    class Guarded(Server):  # type: ignore[misc,unused-ignore]
        """textual-serve behind the guard."""

        async def _make_app(self) -> Any:
            app = await super()._make_app()
            app.middlewares.append(_guard())
            return app

    Guarded(command(words), host=HOST, port=port, title="Firstlight", templates_path=PAGE).serve()


def command(words: Sequence[str]) -> str:
    """Return the command line that textual-serve starts for a page; every word is quoted."""
    start = "import sys; from agent.cli.main import main; sys.exit(main(sys.argv[1:]))"
    return shlex.join([sys.executable, "-c", start, *words])


def is_ours(headers: Mapping[str, str]) -> bool:
    """Return whether a request was addressed to the loopback address, by nobody's page or by one of this server."""
    host = urlsplit(f"//{headers.get('Host', '')}")
    origin = urlsplit(headers.get("Origin", f"http://{host.netloc}"))
    return host.hostname in NAMES and origin.hostname in NAMES and origin.netloc.rpartition(":")[2] == (
        host.netloc.rpartition(":")[2])


def _guard() -> Any:
    from aiohttp import web  # comes with textual-serve

    @web.middleware
    async def guard(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
                    ) -> web.StreamResponse:
        if not is_ours(request.headers):
            raise web.HTTPForbidden(text="this page may be opened on the machine itself only\n")
        return await handler(request)

    return guard
