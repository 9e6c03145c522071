"""Asks an OpenAI-compatible server and notes when every piece of its answer came; the standard library alone.

The definitions are those of vLLM's own `bench serve`: TTFT ends with the first chunk, TPOT is (E2EL - TTFT) / (N - 1)
with N from the server's usage, ITL are the gaps between chunks, E2EL ends with the last chunk, throughput is over the
wall time of all requests. One difference: chunks without text are not counted (a chat's role, a trailing usage).
"""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

PATHS = {"completions": "/v1/completions", "chat": "/v1/chat/completions"}
NOT_OFFERED = (400, 404, 405, 422, 501)


@dataclass
class Target:
    """Where to ask, and how. `extras`: fields beyond the OpenAI API that this server understands."""

    url: str
    model: str = ""
    api: str = "completions"
    stream: bool = True
    key: str = ""
    timeout_s: float = 300.0
    extras: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url if "//" in self.url else f"http://{self.url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{self.url}: not an http or https address")
        self.scheme, self.host = parts.scheme, parts.hostname
        self.port = parts.port or (443 if parts.scheme == "https" else 80)
        path = parts.path.rstrip("/")
        for api, tail in PATHS.items():
            if path.endswith(tail):
                self.api, path = api, path.removesuffix(tail)
        self.prefix = path.removesuffix("/v1")

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection that is opened at the first request."""
        if self.scheme == "https":
            return http.client.HTTPSConnection(self.host, self.port, timeout=self.timeout_s,
                                               context=ssl.create_default_context())
        return http.client.HTTPConnection(self.host, self.port, timeout=self.timeout_s)

    def headers(self) -> dict[str, str]:
        """Return what every request carries."""
        return {"Content-Type": "application/json", **({"Authorization": f"Bearer {self.key}"} if self.key else {})}

    def body(self, prompt: str, tokens: int) -> bytes:
        """Return a request for so many tokens after a prompt."""
        asked: dict[str, Any] = {"model": self.model, "max_tokens": tokens, "temperature": 0, "stream": self.stream}
        if self.stream:
            asked["stream_options"] = {"include_usage": True}
        if self.api == "chat":
            asked["messages"] = [{"role": "user", "content": prompt}]
        else:
            asked["prompt"] = prompt
        return json.dumps({**asked, **self.extras}).encode()


@dataclass
class Answer:
    """One answer. Times in seconds of one clock; `stamps`: when each chunk with text came; `error`: why it failed."""

    sent: float = 0.0
    stamps: list[float] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    ended: float = 0.0
    finished: bool = False
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    status: int = 0
    error: str = ""

    @property
    def text(self) -> str:
        """The whole answer."""
        return "".join(self.pieces)

    @property
    def good(self) -> bool:
        """The answer is whole."""
        return not self.error

    @property
    def served(self) -> bool:
        """The server answered, be it with tokens that have no text, which a model may say at any time."""
        return self.good or self.finished

    @property
    def tokens(self) -> int:
        """Tokens as the server counted them, else chunks."""
        return len(self.stamps) if self.output_tokens is None else self.output_tokens

    @property
    def ttft_s(self) -> float:
        """Time to the first token."""
        return self.stamps[0] - self.sent

    @property
    def e2el_s(self) -> float:
        """Time to the last token."""
        return self.stamps[-1] - self.sent

    @property
    def tpot_s(self) -> float | None:
        """Time per output token after the first; None for a single token."""
        return (self.e2el_s - self.ttft_s) / (self.tokens - 1) if self.tokens > 1 else None


class Asker:
    """Asks one question after the other over a connection that is kept."""

    def __init__(self, target: Target) -> None:
        self.target, self.link, self.used = target, target.connect(), False

    def ask(self, body: bytes) -> Answer:
        """Return the answer to a request; what goes wrong stands in its `error`."""
        answer = Answer()
        try:
            response = self._sent(body, answer)
            answer.status = response.status
            if response.status != 200:
                answer.error = f"HTTP {response.status}: {response.read(2000).decode(errors='replace').strip()}"
            elif self.target.stream:
                read_stream(response, answer)
            else:
                read_whole(response, answer)
        except TimeoutError:
            answer.error = f"no answer for {self.target.timeout_s:g} s"
        except (OSError, http.client.HTTPException, ValueError) as error:
            answer.error = f"{'cut off' if answer.stamps else type(error).__name__}: {error}"
        answer.ended = time.perf_counter()
        self.used = answer.good
        if not answer.good:
            self.link.close()
        return answer

    def _sent(self, body: bytes, answer: Answer) -> http.client.HTTPResponse:
        """Send a request; once more when the server has closed a connection that was kept."""
        path = self.target.prefix + PATHS[self.target.api]
        for again in (self.used, False):
            try:
                answer.sent = time.perf_counter()
                self.link.request("POST", path, body, self.target.headers())
                return self.link.getresponse()
            except (ConnectionError, http.client.RemoteDisconnected):
                self.link.close()
                if not again:
                    raise
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Close the connection."""
        self.link.close()


def read_stream(response: http.client.HTTPResponse, answer: Answer) -> None:
    """Read server-sent events to the end of the answer; stamps what arrives before looking into it."""
    rest, done = b"", False
    while piece := response.read1(1 << 16):
        now = time.perf_counter()
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                done = take(line[5:].strip(), now, answer) or done
    if rest.startswith(b"data:"):
        done = take(rest[5:].strip(), time.perf_counter(), answer) or done
    if not answer.error and not (done or answer.finished):
        answer.error = "the stream ended before the answer was whole"
    if not answer.error and not answer.stamps:
        answer.error = "the answer has no text"


def take(event: bytes, now: float, answer: Answer) -> bool:
    """Take one event into the answer; True for the end mark."""
    if event == b"[DONE]" or not event:
        return event == b"[DONE]"
    said = json.loads(event)
    if said.get("error"):
        answer.error = f"the server said: {json.dumps(said['error'])[:500]}"
        return False
    note_usage(said, answer)
    for choice in said.get("choices") or ():
        if text := text_of(choice):
            answer.stamps.append(now)
            answer.pieces.append(text)
        if choice.get("finish_reason"):
            answer.finished = True
    return False


def text_of(choice: dict[str, Any]) -> str:
    """Return the text of a choice: a completion's, a chat's delta or message, its reasoning."""
    told = choice.get("delta") or choice.get("message") or {}
    for value in (choice.get("text"), told.get("content"), told.get("reasoning"), told.get("reasoning_content")):
        if isinstance(value, str) and value:
            return value
    return ""


def note_usage(said: dict[str, Any], answer: Answer) -> None:
    """Keep the server's count of tokens."""
    usage = said.get("usage") or {}
    for name, field_name in (("prompt_tokens", "prompt_tokens"), ("completion_tokens", "output_tokens")):
        if isinstance(usage.get(name), int):
            setattr(answer, field_name, usage[name])


def read_whole(response: http.client.HTTPResponse, answer: Answer) -> None:
    """Read an answer that comes in one piece."""
    said = json.loads(response.read())
    answer.stamps.append(time.perf_counter())
    note_usage(said, answer)
    answer.pieces += [text_of(choice) for choice in said.get("choices") or ()]
    answer.finished = bool(answer.pieces)
    if not any(answer.pieces):
        answer.error = "the answer has no text"


def ask_once(target: Target, prompt: str, tokens: int) -> Answer:
    """Ask one question over a connection of its own."""
    asker = Asker(target)
    try:
        return asker.ask(target.body(prompt, tokens))
    finally:
        asker.close()


def ask_all(target: Target, prompts: Iterable[str], tokens: int, parallel: int) -> tuple[list[Answer], float]:
    """Ask every prompt, so many at a time; return the answers in the order of the prompts, and the wall time in s."""
    bodies = [target.body(prompt, tokens) for prompt in prompts]
    answers: list[Answer] = [Answer(error="never asked")] * len(bodies)
    queue, lock = iter(range(len(bodies))), threading.Lock()

    def work() -> None:
        asker = Asker(target)
        while True:
            with lock:
                number = next(queue, None)
            if number is None:
                break
            answers[number] = asker.ask(bodies[number])
        asker.close()

    workers = [threading.Thread(target=work, daemon=True) for _ in range(min(parallel, len(bodies)))]
    begun = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return answers, time.perf_counter() - begun


def get(target: Target, path: str, timeout_s: float = 10.0) -> tuple[int, bytes]:
    """Return status and body of a page; status 0 when nobody answers."""
    link = target.connect()
    link.timeout = timeout_s
    try:
        link.request("GET", target.prefix + path, headers=target.headers())
        response = link.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error).encode()
    finally:
        link.close()
