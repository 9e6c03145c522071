"""Joins sampler, facts and server, and keeps them going until told to end."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

from agent.exporter.exposition import TEXT, Exposition
from agent.exporter.facts import gpu_subjects
from agent.exporter.health import Health, judge_health
from agent.exporter.sampler import Sampler
from agent.exporter.security import Security
from agent.exporter.server import Exporter
from agent.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent.exporter.facts import Facts
    from agent.machine.api import Machine

HOST, PORT, EVERY_S = "127.0.0.1", 9836, 30.0
LOOK_S = 5.0
SWITCH_S = 0.0005  # a scrape gets the interpreter after so long, whoever renders


class Service:
    """Everything between the data and the socket. `look` returns the facts; the same object when nothing is new."""

    def __init__(self, machine: Callable[[], Machine], look: Callable[[], Facts], every_s: float = EVERY_S) -> None:
        self._look = look
        self.facts: Facts | None = None
        self.sampler = Sampler(machine, every_s, self._sampled)
        self.exposition = Exposition(self.sampler)
        self._ended = threading.Event()

    def page_once(self) -> bytes:
        """Return the page after one look at everything, as node_exporter's textfile collector reads it."""
        self.sampler.sample()
        self.watch_once()
        return self.exposition.page(TEXT)

    def watch_once(self) -> None:
        """Look at the facts, and whether the sample has become stale."""
        self.facts = self._look()
        self.sampler.expected = gpu_subjects(self.facts)
        self.exposition.tell(self.facts)

    def health(self) -> Health:
        """Return what /healthz says."""
        return judge_health(self.facts, self.sampler)

    def serve(self, host: str, port: int, web_config: Path | None, on_ready: Callable[[str], None]) -> None:
        """Serve until `end`. Raises UsageError when the address cannot be had, FirstlightError for the web config."""
        security = Security(web_config)
        sys.setswitchinterval(SWITCH_S)
        try:
            server = Exporter(host, port, self.exposition, self.health, security)
        except OSError as error:
            raise UsageError(f"{host}:{port}: cannot be listened on: {error.strerror or error}",
                             "name another with --listen HOST:PORT") from error
        with server:
            for work in (self.sampler.run, self._watch, server.serve_forever):
                threading.Thread(target=work, daemon=True, name=work.__name__).start()
            shown = f"[{host}]" if ":" in host else host
            on_ready(f"{'https' if security.encrypted else 'http'}://{shown}:{server.server_address[1]}/metrics")
            self._ended.wait()
            self.sampler.end()
            server.shutdown()

    def end(self) -> None:
        """Let `serve` return."""
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.is_set():
            self.watch_once()
            self._ended.wait(LOOK_S)

    def _sampled(self) -> None:
        self.exposition.refresh()


