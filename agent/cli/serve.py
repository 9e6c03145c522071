"""`firstlight serve`: Prometheus metrics of this machine."""

from __future__ import annotations

import argparse
import math
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from agent.cli import options

if TYPE_CHECKING:
    from types import FrameType

LISTEN, EVERY_S, FASTEST_S = "127.0.0.1:9836", 30.0, 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--listen", metavar="HOST:PORT", default=LISTEN,
                        help=f"where to listen; others than this machine see it only if you say so ({LISTEN})")
    parser.add_argument("--web-config", metavar="FILE", type=Path,
                        help="TLS and basic auth, in the format of the Prometheus exporters")
    parser.add_argument("--sample-every", metavar="SECONDS", type=float, default=EVERY_S,
                        help=f"how often the cards are asked ({EVERY_S:g}); a scrape never asks them")
    parser.add_argument("--textfile", metavar="FILE", type=Path,
                        help="write the metrics to FILE once, for node_exporter's textfile collector, and end")
    options.add_machine(parser)


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT, or write the page once."""
    from agent.app import App
    from agent.model.errors import UsageError
    from agent.systemd.notify import keep_alive, notify

    if not FASTEST_S <= args.sample_every < math.inf:
        raise UsageError(f"serve: --sample-every {args.sample_every:g}: at least {FASTEST_S:g} second is needed")
    host, port = address(args.listen)
    service = App(capture=args.machine).service(args.sample_every)
    if args.textfile is not None:
        from agent.state.atomic import write_atomic

        if args.textfile.suffix != ".prom":
            raise UsageError(f"serve: --textfile {args.textfile}: node_exporter reads only files that end in .prom")
        write_atomic(args.textfile, service.page_once().decode())
        return 0

    ended = threading.Event()

    def ready(url: str) -> None:
        print(f"serving {url}", file=sys.stderr, flush=True)
        notify("READY=1")
        keep_alive(service.sampler.moves, ended)

    def end(number: int, frame: FrameType | None) -> None:
        notify("STOPPING=1")
        ended.set()
        service.end()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    service.serve(host, port, args.web_config, ready)
    return 0


def address(text: str) -> tuple[str, int]:
    """Return host and port of `HOST:PORT`, `[IPv6]:PORT` or `:PORT` (loopback). Raises UsageError."""
    from agent.model.errors import UsageError

    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not port.isdigit() or int(port) > 65535:
        raise UsageError(f"serve: --listen {text}: is no HOST:PORT", f"write it like {LISTEN}")
    return host or LISTEN.partition(":")[0], int(port)
