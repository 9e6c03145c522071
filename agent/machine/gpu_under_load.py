"""GPUs seen while our own arithmetic keeps them busy (agent/machine/gpu_load.py)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from agent.machine.gpu import parse_view
from agent.model.errors import Unobservable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.machine.api import Machine
    from agent.model.gpu import GpuView

LOAD = "firstlight-load"  # started by agent/machine/process.py
_AROUND_S = 50.0  # starting CUDA on every card, and looks at a driver that answers late


class UnderLoad(NamedTuple):
    """Looks at the GPUs under load, and by PCI address why one could not be loaded."""

    looks: tuple[GpuView, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()

    def refusal(self, address: str) -> str:
        """Return why the card at this address could not be loaded, empty when it was."""
        return dict(self.refused).get(address, "")

    @property
    def silence(self) -> str:
        """Return why NVML did not answer in one of the looks, empty when it always did."""
        for view in self.looks:
            if view.failure or view.hung_in or view.died_in:
                return view.failure or f"no answer from {view.hung_in or view.died_in}"
        return ""

    def samples(self, index: int) -> tuple[dict[str, Any], ...]:
        """Return every repeated look at a GPU: the probe repeats itself when a card is busy."""
        found = [gpu.reading("samples") for view in self.looks for gpu in view.gpus if gpu.index == index]
        return tuple(sample for samples in found if isinstance(samples, list) for sample in samples)


def observe_under_load(machine: Machine, addresses: Sequence[str], seconds: float) -> UnderLoad:
    """Load the cards at these PCI addresses and return what was seen. Raises Unobservable."""
    done = machine.run((LOAD, f"{seconds:g}", *addresses), timeout_s=seconds + _AROUND_S)
    try:
        said = json.loads(done.out)
        looks = tuple(parse_view(json.dumps(look)) for look in said["looks"] if look is not None)
        return UnderLoad(looks, tuple((str(address), str(why)) for address, why in said["refused"].items()))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Unobservable(f"{LOAD}: damaged answer: {type(error).__name__}: {error}") from error
