"""A registry that has had enough: in front of a real one, it answers requests for layers with 429 for a while."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODY = json.dumps({"errors": [{"code": "TOOMANYREQUESTS", "message": "pull rate limit of the bed"}]}).encode()


class Limiter:
    """Refuses the next `left` downloads of blobs but `spared`; `refused` are those it did.

    The engine itself asks again for a layer, and never for a configuration.
    """

    def __init__(self, target: int, left: int, spared: Sequence[str] = ()) -> None:
        self.target, self.left, self.refused, self.port = target, left, 0, 0
        self.spared = frozenset(spared)

    def refuses(self, path: str) -> bool:
        """Return whether a download is refused."""
        return self.left > 0 and "/blobs/" in path and path.rpartition("/")[2] not in self.spared


@contextlib.contextmanager
def running_limiter(target: int, left: int, spared: Sequence[str] = ()) -> Iterator[Limiter]:
    """Start it before a port of this machine; it is stopped at the end."""
    limiter = Limiter(target, left, spared)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.command == "GET" and limiter.refuses(self.path):
                limiter.left -= 1
                limiter.refused += 1
                return self._say(429, {"Content-Type": "application/json", "Retry-After": "1"}, BODY)
            connection = http.client.HTTPConnection("127.0.0.1", limiter.target, timeout=20)
            kept = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            connection.request(self.command, self.path, headers=kept)
            answer = connection.getresponse()
            body = answer.read()
            connection.close()
            told = {name: value for name, value in answer.getheaders() if name.lower() != "transfer-encoding"}
            return self._say(answer.status, {"Content-Length": str(len(body)), **told}, body)

        def do_HEAD(self) -> None:
            self.do_GET()

        def _say(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    limiter.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield limiter
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()
