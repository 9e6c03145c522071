from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from agent.machine.gpu import parse_view
from agent.machine.process import run_command
from agent.model.gpu import GpuView
from tests.nvml.fixtures import stand_in
from tests.nvml.machines import PROBE_ARGV, PROBE_LIMIT_S
from tests.nvml.stand_in import NAME, StandIn, library_folder

__all__ = ["stand_in"]


@pytest.fixture
def look(stand_in: StandIn) -> Callable[..., GpuView]:
    """Return a function that takes a profile and its changes and returns what the real probe sees."""

    def looked(name: str, *lines: str, argv: tuple[str, ...] = PROBE_ARGV) -> GpuView:
        stand_in.use(name).add(*lines)
        return parse_view(run_command(argv, PROBE_LIMIT_S).out)

    return looked


@pytest.fixture
def nvml(stand_in: StandIn) -> Iterator[Any]:
    """The real pynvml over the stand-in, in this process, initialised for one RTX 4090."""
    stand_in.use("rtx4090")
    ctypes.CDLL(str(library_folder() / NAME))
    import pynvml

    pynvml.nvmlInit()
    assert pynvml.nvmlSystemGetDriverVersion() == "580.95.05"  # not a real driver of this machine
    yield pynvml
    stand_in.use("rtx4090")
    pynvml.nvmlShutdown()
