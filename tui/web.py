"""The same screens in a browser: textual-serve starts one of us for each page, on the loopback address only."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

from agent.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

HOST = "127.0.0.1"


def serve(port: int, words: Sequence[str]) -> None:
    """Serve until interrupted. Raises UsageError for a bad port or when textual-serve is not installed."""
    if not 1 <= port <= 65535:
        raise UsageError(f"tui: {port} is no port", "name one from 1024 to 65535")
    try:
        from textual_serve.server import Server  # type: ignore[import-not-found,unused-ignore]
    except ModuleNotFoundError as error:
        raise UsageError("tui: --web needs textual-serve, which is not installed",
                         "install it beside Firstlight: pip install 'firstlight[web]'") from error
    Server(command(words), host=HOST, port=port, title="Firstlight").serve()


def command(words: Sequence[str]) -> str:
    """Return the command line that textual-serve starts for a page; every word is quoted."""
    start = "import sys; from agent.cli.main import main; sys.exit(main(sys.argv[1:]))"
    return shlex.join([sys.executable, "-c", start, *words])
