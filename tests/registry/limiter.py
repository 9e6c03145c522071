"""A registry that has had enough: in front of a real one, it answers requests for layers with 429 for a while."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator, Sequence

from tests.loopback import Answer, Headers, answering

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

    def answer(self, method: str, path: str, headers: Headers) -> Answer:
        """Refuse, or pass on what the registry says."""
        if method == "GET" and self.refuses(path):
            self.left -= 1
            self.refused += 1
            return 429, {"Content-Type": "application/json", "Retry-After": "1"}, BODY
        connection = http.client.HTTPConnection("127.0.0.1", self.target, timeout=20)
        connection.request(method, path, headers={k: v for k, v in headers.items() if k.lower() != "host"})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, {k: v for k, v in answer.getheaders() if k.lower() != "transfer-encoding"}, body


@contextlib.contextmanager
def running_limiter(target: int, left: int, spared: Sequence[str] = ()) -> Iterator[Limiter]:
    """Start it before a port of this machine; it is stopped at the end."""
    limiter = Limiter(target, left, spared)
    with answering(limiter.answer) as limiter.port:
        yield limiter
