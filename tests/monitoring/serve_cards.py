"""`firstlight serve` over the stand-in cards and a history folder, as a process of its own.

python -m tests.monitoring.serve_cards PROFILE STATE_FOLDER PORT SAMPLE_EVERY_S [WEB_CONFIG]
"""

from __future__ import annotations

import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from agent.exporter.facts import DriftFact, Facts, SmokeFact
from agent.exporter.looking import HistoryLook
from agent.exporter.serving import Service
from agent.state.reading import Watcher
from tests.monitoring.cards import MachineWithCards

HOSTNAME = "box-7"


def measured(facts: Facts) -> Facts:
    """Return the facts with drift and smoke figures as if they stood in the history."""
    now = time.time()
    return replace(
        facts,
        drift=(DriftFact("profile", (("kernel.sysctl", 2),), "3f1c0ffee", now),),
        smoke=(SmokeFact("cuda-kernel", True, (("", "bandwidth_bytes_per_second", 2.9e12),), now),
               SmokeFact("lora", False, (), now)),
    )


def main(profile: str, state: str, port: str, every_s: str, web_config: str = "") -> None:
    machine = MachineWithCards(profile)
    service = Service(lambda: machine, HistoryLook(Watcher(Path(state), HOSTNAME), measured), float(every_s))
    signal.signal(signal.SIGTERM, lambda *_: service.end())
    service.serve("127.0.0.1", int(port), Path(web_config) if web_config else None,
                  lambda url: print(url, flush=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
