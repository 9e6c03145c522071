"""A small real HTTP server that speaks the OpenAI API as scripted, and counts as vLLM does.

Run as a program (`python -m … serve MODEL --port N`) it stands in for `vllm serve`; STAND_IN says what it does wrong.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Step = tuple[float, bytes]  # wait so many seconds, then send this in one chunk
Script = Callable[[dict[str, Any]], "list[Step] | tuple[int, str]"]
CLOSE, DONE = b"\0close", b"data: [DONE]\n\n"


def event(text: str | None = None, finish: str | None = None, chat: bool = False, **more: Any) -> bytes:
    """Return one event: a piece of text, or only what is beside it."""
    choices: list[dict[str, Any]] = []
    if text is not None:
        choices = [{"index": 0, "finish_reason": finish, **({"delta": {"content": text}} if chat else {"text": text})}]
    return b"data: " + json.dumps({"choices": choices, **more}).encode() + b"\n\n"


def usage(prompt: int, out: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": out, "total_tokens": prompt + out}


def counting(gap_s: float = 0.0, first_s: float = 0.0, wrong: str = "") -> Script:
    """Answer as the counter model does, a token a chunk, usage in a chunk of its own: the manner of vLLM."""
    def script(body: dict[str, Any]) -> list[Step] | tuple[int, str]:
        if wrong == "bad-request" and "ignore_eos" in body:
            return 400, '{"error": {"message": "unknown field ignore_eos"}}'
        last = ord(body["prompt"][-1])
        steps: list[Step] = []
        for number in range(body["max_tokens"]):
            last = last + 1 if 33 <= last < 126 else 33
            text = "?" if wrong == "text" and number == 3 else chr(last)
            end = "length" if number == body["max_tokens"] - 1 else None
            steps.append((gap_s if number else first_s, event(text, end)))
        tokens = body["max_tokens"] - (wrong == "tokens")
        return [*steps, (0.0, event(usage=usage(len(body["prompt"]), tokens))), (0.0, DONE)]
    return script


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: OpenAiServer

    def log_message(self, *_: object) -> None:
        pass

    def _page(self, status: int, text: str, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_GET(self) -> None:
        pages = {"/health": "", "/v1/models": json.dumps({"data": [{"id": self.server.model}]}),
                 "/metrics": self.server.metrics()}
        if self.path == "/metrics" and not self.server.tells_metrics:
            pages.pop("/metrics")
        found = pages.get(self.path)
        self._page(404 if found is None else 200, found or "")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.asked.append((self.path, body, dict(self.headers)))
            self.server.at_once += 1
            self.server.most_at_once = max(self.server.most_at_once, self.server.at_once)
        try:
            self._answer(body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with self.server.lock:
                self.server.at_once -= 1

    def _answer(self, body: dict[str, Any]) -> None:
        began = time.perf_counter()
        script = self.server.script(body)
        if isinstance(script, tuple):
            return self._page(*script)
        if not body.get("stream"):
            text = "".join(json.loads(step[1][6:])["choices"][0]["text"] for step in script
                           if b'"text"' in step[1])
            return self._page(200, json.dumps({"choices": [{"text": text, "finish_reason": "length"}],
                                               "usage": usage(3, len(text))}))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        sent = []
        for wait_s, data in script:
            time.sleep(wait_s)
            if data == CLOSE:
                self.close_connection = True
                return self.connection.shutdown(2)
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
            if b'"text"' in data or b"content" in data:
                sent.append(time.perf_counter())
        self.wfile.write(b"0\r\n\r\n")
        self.server.note(began, sent, body)
        return None


class OpenAiServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, script: Script, model: str = "m", port: int = 0) -> None:
        self.script, self.model = script, model
        self.lock = threading.Lock()
        self.asked: list[tuple[str, dict[str, Any], dict[str, str]]] = []
        self.sent: list[list[float]] = []
        self.at_once = self.most_at_once = 0
        self.tells_metrics = True
        self.sums = {"ttft": 0.0, "tpot": 0.0, "e2el": 0.0, "answers": 0.0, "out": 0.0, "prompt": 0.0}
        super().__init__(("127.0.0.1", port), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def note(self, began: float, sent: list[float], body: dict[str, Any]) -> None:
        with self.lock:
            self.sent.append(sent)
            if not sent:
                return
            self.sums["ttft"] += sent[0] - began
            self.sums["e2el"] += sent[-1] - began
            self.sums["tpot"] += (sent[-1] - sent[0]) / max(1, len(sent) - 1)
            self.sums["answers"] += 1
            self.sums["out"] += len(sent)
            self.sums["prompt"] += len(body.get("prompt", ""))

    def metrics(self) -> str:
        with self.lock:
            s, label = dict(self.sums), '{engine="0",model_name="m"}'
        names = {"time_to_first_token_seconds": "ttft", "request_time_per_output_token_seconds": "tpot",
                 "e2e_request_latency_seconds": "e2el"}
        lines = ["# HELP vllm:generation_tokens_total Number of generation tokens processed."]
        for name, key in names.items():
            lines += [f"vllm:{name}_sum{label} {s[key]}", f"vllm:{name}_count{label} {s['answers']}",
                      f'vllm:{name}_bucket{{engine="0",le="0.1"}} 1.0']
        lines += [f"vllm:generation_tokens_total{label} {s['out']}", f"vllm:prompt_tokens_total{label} {s['prompt']}"]
        return "\n".join(lines) + "\n"


@contextmanager
def serving(script: Script, **more: Any) -> Iterator[OpenAiServer]:
    """Serve while the block runs."""
    server = OpenAiServer(script, **more)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def stand_in(words: list[str]) -> None:
    """Behave as `vllm serve`; a child in the same session is what the real one has too."""
    fault = os.environ.get("STAND_IN", "")
    print("starting", words, flush=True)
    if fault == "does-not-start":
        sys.exit("ValueError: Model architectures ['NoSuchForCausalLM'] are not supported for now.")
    subprocess.Popen(["sleep", os.environ.get("STAND_IN_MARK", "0")])
    model = words[words.index("--served-model-name") + 1]
    server = OpenAiServer(counting(0.002, 0.01, fault), model, int(words[words.index("--port") + 1]))
    if fault == "never-ready":
        time.sleep(60)
    plain = server.script

    def dying(body: dict[str, Any]) -> Any:
        if fault == "killed" and len(server.asked) > 12:
            threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGKILL)).start()
            return [(0.02, event("x")) for _ in range(1000)]
        return plain(body)

    server.script = dying
    if fault != "ignores-term":
        signal.signal(signal.SIGTERM, lambda *_: os.killpg(0, signal.SIGKILL))
    else:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _weights = (Path(words[1]) / "model.safetensors").read_bytes()  # held in memory, as a server holds them
    server.serve_forever()


if __name__ == "__main__":
    stand_in(sys.argv[1:])
