"""One HTTP request to a registry or its token server: bounded, retried, with the reason when it fails."""

from __future__ import annotations

import http.client
import socket
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from agent.model.errors import FirstlightError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LIMIT_BYTES = 8 << 20
PAUSES_S = (0.5, 2.0, 5.0)
LONGEST_WAIT_S = 60.0
_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
_opener = urllib.request.build_opener()


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class RegistryError(FirstlightError):
    """A registry did not give what was asked for. `lasting`: asking again will not help."""

    def __init__(self, message: str, hint: str = "", *, lasting: bool = True) -> None:
        super().__init__(message, hint)
        self.lasting = lasting


def fetch(url: str, headers: Mapping[str, str], *, method: str = "GET", timeout_s: float = 10.0,
          sleep: Callable[[float], None] = time.sleep) -> Answer:
    """Return the answer to a request, whatever its status, after retries of what passes by itself.

    A redirect is followed without the Authorization header. Raises RegistryError when there is no answer, or when a
    rate limit asks for a longer wait than a minute.
    """
    reason = ""
    for pause_s in (*PAUSES_S, None):
        try:
            answer = _once(url, headers, method, timeout_s)
        except (OSError, http.client.HTTPException) as error:
            reason = _said(error)
            if isinstance(getattr(error, "reason", error), socket.gaierror | ConnectionRefusedError):
                break  # nobody is there; waiting some seconds rarely changes it
        else:
            if answer.status not in _AGAIN or pause_s is None:
                return answer
            asked_s = retry_after_s(answer.headers.get("retry-after", ""), time.time())
            if asked_s is not None and asked_s > LONGEST_WAIT_S:
                return answer
            pause_s = pause_s if asked_s is None else asked_s
        if pause_s is not None:
            sleep(pause_s)
    where = "/".join(url.split("/", 3)[:3])
    raise RegistryError(f"{where} does not answer: {reason}",
                        "look at the network, the proxy (HTTPS_PROXY) and the name server", lasting=False)


def _once(url: str, headers: Mapping[str, str], method: str, timeout_s: float) -> Answer:
    if not url.startswith(("https://", "http://")):
        raise RegistryError(f"{url}: is no http address")
    request = urllib.request.Request(url, method=method)  # noqa: S310 - the scheme was looked at
    for name, value in headers.items():
        request.add_unredirected_header(name, value)
    try:
        with _opener.open(request, timeout=timeout_s) as stream:
            return _read(stream, stream.status)
    except urllib.error.HTTPError as error:
        with error:
            return _read(error, error.code)


def _read(stream: http.client.HTTPResponse | urllib.error.HTTPError, status: int) -> Answer:
    body = stream.read(LIMIT_BYTES + 1)
    if len(body) > LIMIT_BYTES:
        raise RegistryError(f"the answer is larger than {LIMIT_BYTES >> 20} MiB")
    return Answer(status, {name.lower(): value for name, value in stream.headers.items()}, body)


def retry_after_s(value: str, now: float) -> float | None:
    """Return the seconds a Retry-After header asks to wait (a number or a date); None when it says nothing."""
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except ValueError:
        return None


def _said(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    return str(getattr(reason, "strerror", None) or reason) or type(error).__name__
