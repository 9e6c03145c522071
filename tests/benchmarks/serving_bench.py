"""What the client of the job `vllm` costs: CPU for every chunk of a stream, and by how much it is late.

A loopback server in a process of its own sends prepared events; `python -m tests.benchmarks.serving_bench`.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
import statistics
import time
from multiprocessing.connection import Connection

from checks.smoke.jobs.serving.client import Target, ask_all
from tests.unit.smoke.openai_server import DONE, event, usage

TOKENS = 512


def read_request(link: socket.socket) -> bool:
    """Read one request to the end of its body; False when there is none."""
    seen = b""
    while b"\r\n\r\n" not in seen:
        piece = link.recv(65536)
        if not piece:
            return False
        seen += piece
    head, _, body = seen.partition(b"\r\n\r\n")
    left = int(head.lower().partition(b"content-length:")[2].split()[0]) - len(body)
    while left > 0:
        left -= len(link.recv(65536))
    return True


def serve(told: Connection, gap_s: float) -> None:
    """Answer every request with the same stream, a token a chunk, each carrying when it was sent."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    told.send(listener.getsockname()[1])
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    end = event(usage=usage(3, TOKENS)) + DONE
    tail = b"%x\r\n%b\r\n0\r\n\r\n" % (len(end), end)
    while True:
        link, _ = listener.accept()
        if os.fork():
            link.close()
            continue
        while read_request(link):
            link.sendall(head)
            for _ in range(TOKENS):
                if gap_s:
                    time.sleep(gap_s)
                data = event(f"{time.perf_counter():.6f} ")
                link.sendall(b"%x\r\n%b\r\n" % (len(data), data))
            link.sendall(tail)
        os._exit(0)


def measured(parallel: int, requests: int, gap_s: float) -> tuple[float, float, float]:
    """Return CPU in µs for a token, and the median and 99th percentile of the lateness of stamps in ms."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=serve, args=(theirs, gap_s))
    process.start()
    target = Target(f"http://127.0.0.1:{ours.recv()}", "m")
    before = time.process_time()
    answers, _ = ask_all(target, ["abc"] * requests, TOKENS, parallel)
    cpu_s = time.process_time() - before
    process.kill()
    process.join()
    if bad := [answer.error for answer in answers if not answer.good]:
        raise SystemExit(f"the stream failed: {bad[0]}")
    late = sorted(stamp - float(word) for answer in answers
                  for stamp, text in zip(answer.stamps, answer.pieces, strict=True) for word in text.split())
    return cpu_s / requests / TOKENS * 1e6, statistics.median(late) * 1e3, late[int(0.99 * len(late))] * 1e3


def main() -> None:
    """Print a table."""
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    print("| at a time | tokens/s of each | CPU µs a token | late, median ms | late, p99 ms |\n|---|---|---|---|---|")
    for parallel, gap_s in ((1, 0.0), (1, 0.005), (8, 0.01), (32, 0.02)):
        cost, late, latest = measured(parallel, 2 * parallel, gap_s)
        rate = f"{1 / gap_s:.0f}" if gap_s else "as fast as it can"
        print(f"| {parallel} | {rate} | {cost:.1f} | {late:.2f} | {latest:.2f} |")


if __name__ == "__main__":
    main()
