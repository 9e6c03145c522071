"""`python -m tests.benchmarks.planted WORD …`: the real command line, on files below $FIRSTLIGHT_BENCH_ROOT.

Commands are those of this machine; NVML is the library that FIRSTLIGHT_NVML_* name, through the real probe.
"""

from __future__ import annotations

import os
import sys

import agent.machine.local
from agent.cli.main import main
from agent.machine.api import FileStatus


class PlantedMachine(agent.machine.local.LocalMachine):
    """The machine whose root is a folder."""

    def __init__(self) -> None:
        self.root = os.environ["FIRSTLIGHT_BENCH_ROOT"]

    def read_bytes(self, path: str, *, limit_bytes: int = 1 << 20) -> bytes:
        return super().read_bytes(self.root + path, limit_bytes=limit_bytes)

    def listing(self, path: str) -> tuple[str, ...]:
        return super().listing(self.root + path)

    def status(self, path: str) -> FileStatus:
        return super().status(self.root + path)

    def exists(self, path: str) -> bool:
        return super().exists(self.root + path)


if __name__ == "__main__":
    agent.machine.local.LocalMachine = PlantedMachine  # type: ignore[misc]
    sys.exit(main())
