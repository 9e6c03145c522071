"""TLS, basic auth and headers of a web-config file, read again when the file or a certificate changes."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

from agent.exporter.passwords import Gate
from agent.exporter.tls import is_allowed, make_context
from agent.exporter.web_config import WebConfig, load_web_config
from agent.model.errors import FirstlightError

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

Stamps = tuple[tuple[int, int], ...]


class Security:
    """What guards the exporter. A file that became wrong leaves the last good one in force, and says so once."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._config = WebConfig()
        self._stamps: Stamps = ()
        self._gate = Gate({})
        self._context: ssl.SSLContext | None = None
        if file is not None:
            self._load(file)

    @property
    def headers(self) -> dict[str, str]:
        """Headers to be sent with every answer."""
        return self._config.headers

    @property
    def encrypted(self) -> bool:
        """Whether connections are TLS."""
        return self._context is not None

    def lets_in(self, authorization: str) -> bool:
        """Return whether an Authorization header opens the gate."""
        return self._gate.lets_in(authorization)

    def secure(self, connection: Any) -> Any:
        """Return the connection after its TLS handshake; None when the client is not one of those allowed."""
        self._renew()
        context, tls = self._context, self._config.tls
        if context is None or tls is None:
            return connection
        secured = context.wrap_socket(connection, server_side=True)
        if is_allowed(secured, tls):
            return secured
        secured.close()
        return None

    def _renew(self) -> None:
        if self._file is None:
            return
        with self._lock:
            stamps = self._look(self._file, self._config)
            if stamps == self._stamps:
                return
            self._stamps = stamps
            try:
                self._load(self._file)
            except FirstlightError as error:
                print(f"firstlight: {error.message}; the last good one stays in force", file=sys.stderr)

    def _load(self, file: Path) -> None:
        config = load_web_config(file)
        context = make_context(config.tls) if config.tls is not None else None
        self._config, self._context, self._gate = config, context, Gate(config.users)
        self._stamps = self._look(file, config)

    @staticmethod
    def _look(file: Path, config: WebConfig) -> Stamps:
        stamps = []
        for path in (file, *(config.tls.files if config.tls is not None else ())):
            try:
                seen = path.stat()
                stamps.append((seen.st_mtime_ns, seen.st_size))
            except OSError:
                stamps.append((0, -1))
        return tuple(stamps)
