"""The HTTP server: /metrics, /healthz and a page that names them. It measures nothing and waits for nobody."""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from agent.exporter.exposition import CONTENT_TYPES, accepts_gzip, negotiate

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.exporter.exposition import Exposition
    from agent.exporter.health import Health
    from agent.exporter.security import Security

IDLE_S = 65.0  # longer than the usual scrape interval, so that a scraper keeps its connection
CONNECTIONS = 256
BACKLOG = 128
SPARE = 4  # threads that wait at the door
RETRY_S = 0.1
_PAGE = (b"<!doctype html><title>Firstlight</title><h1>Firstlight</h1>"
         b'<p><a href="/metrics">metrics</a> <a href="/healthz">healthz</a></p>\n')


@dataclass(frozen=True, slots=True)
class Answer:
    """One response."""

    status: HTTPStatus
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class Exporter(TCPServer):
    """A server at `host:port`; at most 256 connections, each with a thread and a deadline of its own.

    Threads wait at the door and take their connections themselves: nothing is handed over, nothing is started
    while a scraper waits. One more is started when the last one has gone in.
    """

    allow_reuse_address = True
    request_queue_size = BACKLOG

    def __init__(self, host: str, port: int, exposition: Exposition, health: Callable[[], Health],
                 security: Security) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.exposition, self.health, self.security = exposition, health, security
        self._lock = threading.Lock()
        self._waiting = self._serving = 0
        self._ended = threading.Event()
        super().__init__((host, port), Handler)

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        """Serve until `shutdown`."""
        self._open_door()
        self._ended.wait()

    def shutdown(self) -> None:
        """Take no more connections."""
        self._ended.set()
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)  # wakes those who wait in accept

    def _open_door(self) -> bool:
        """Let one more thread wait at the door; return whether the machine had one."""
        with self._lock:
            self._waiting += 1
        try:
            threading.Thread(target=self._wait, daemon=True, name="scrape").start()
        except RuntimeError:
            with self._lock:
                self._waiting -= 1
            return False
        return True

    def _wait(self) -> None:
        """Take one connection after another, while not too many others wait for the same."""
        while not self._ended.is_set():
            try:
                request, client_address = self.socket.accept()
            except OSError:  # a client gone before it came in; no descriptors left; the end
                self._ended.wait(RETRY_S)
                continue
            with self._lock:
                self._waiting -= 1
                self._serving += 1
                full, last = self._serving > CONNECTIONS, self._waiting == 0
            full = full or (last and not self._open_door())
            try:
                if not full:
                    self._serve(request, client_address)
            finally:
                self.shutdown_request(request)
                with self._lock:
                    self._serving -= 1
            with self._lock:
                if self._waiting >= SPARE:
                    return
                self._waiting += 1

    def _serve(self, request: Any, client_address: Any) -> None:
        """Serve a connection; a client that goes away is no news, any other error ends the thread, not the server."""
        with contextlib.suppress(OSError):
            self.finish_request(request, client_address)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands in the connection's own thread: a client that is silent keeps nobody waiting."""
        request.settimeout(IDLE_S)
        connection = self.security.secure(request)
        if connection is None:
            return
        try:
            Handler(connection, client_address, self)
        finally:
            if connection is not request:
                self.shutdown_request(connection)


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "firstlight", ""
    wbufsize = 1 << 16  # head and body leave in one write
    timeout = IDLE_S
    server: Exporter

    def do_GET(self) -> None:
        """Answer with a body."""
        self._send(self._answer(), with_body=True)

    def do_HEAD(self) -> None:
        """Answer without."""
        self._send(self._answer(), with_body=False)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name http.server gives it
        """Say nothing: a scrape every 15 s is no news."""

    def _answer(self) -> Answer:
        if not self.server.security.lets_in(self.headers.get("Authorization", "")):
            return Answer(HTTPStatus.UNAUTHORIZED, "text/plain", b"Unauthorized\n",
                          (("WWW-Authenticate", 'Basic realm="firstlight"'),))
        path = urlsplit(self.path).path
        if path == "/metrics":
            return self._metrics()
        if path == "/healthz":
            health = self.server.health()
            status = HTTPStatus.OK if health.well else HTTPStatus.SERVICE_UNAVAILABLE
            return Answer(status, "text/plain; charset=utf-8", ("\n".join(health.lines) + "\n").encode())
        if path == "/":
            return Answer(HTTPStatus.OK, "text/html; charset=utf-8", _PAGE)
        return Answer(HTTPStatus.NOT_FOUND, "text/plain", b"there is /metrics and /healthz\n")

    def _metrics(self) -> Answer:
        form = negotiate(self.headers.get("Accept", ""))
        compressed = accepts_gzip(self.headers.get("Accept-Encoding", ""))
        headers = (("Content-Encoding", "gzip"),) if compressed else ()
        body = self.server.exposition.page(form, compressed=compressed)
        return Answer(HTTPStatus.OK, CONTENT_TYPES[form], body, (*headers, ("Vary", "Accept, Accept-Encoding")))

    def _send(self, answer: Answer, *, with_body: bool) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in (*answer.headers, *self.server.security.headers.items()):
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(answer.body)
