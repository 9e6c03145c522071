"""A connection that is slow, or dies in the middle, between an engine and a registry."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

CHUNK_BYTES = 16384


class Proxy:
    """Passes bytes to `target`; `rate` bytes/s (0 = as they come); answers longer than `dies_after` bytes end there,
    `deaths` times, then no more.
    """

    def __init__(self, target: int, *, rate: int = 0, dies_after: int = 0, deaths: int = 0) -> None:
        self.target, self.rate, self.dies_after, self.deaths = target, rate, dies_after, deaths
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self.died = 0
        self.passed_bytes = 0
        self._lock = threading.Lock()

    def serve(self) -> None:
        """Accept until closed."""
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                threading.Thread(target=self._join, args=(client,), daemon=True).start()

    def close(self) -> None:
        """Stop accepting."""
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _join(self, client: socket.socket) -> None:
        upstream = socket.create_connection(("127.0.0.1", self.target))
        up = threading.Thread(target=self._upwards, args=(client, upstream), daemon=True)
        up.start()
        self._downwards(upstream, client)
        for side in (client, upstream):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
        up.join(5)
        client.close()
        upstream.close()

    def _upwards(self, client: socket.socket, upstream: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(CHUNK_BYTES):
                upstream.sendall(data)

    def _downwards(self, upstream: socket.socket, client: socket.socket) -> None:
        sent = 0
        with contextlib.suppress(OSError):
            while data := upstream.recv(CHUNK_BYTES):
                client.sendall(data)
                sent += len(data)
                with self._lock:
                    self.passed_bytes += len(data)
                    if self.dies_after and sent > self.dies_after and self.died < self.deaths:
                        self.died += 1
                        return
                if self.rate:
                    time.sleep(len(data) / self.rate)


@contextlib.contextmanager
def running_proxy(target: int, **how: int) -> Iterator[Proxy]:
    """Start a proxy before a port; it is closed at the end."""
    proxy = Proxy(target, **how)
    thread = threading.Thread(target=proxy.serve, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join(5)
