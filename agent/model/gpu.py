"""What a GPU answers. A value, "not supported by this hardware" and "could not be read" are three types."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar


@dataclass(frozen=True, slots=True)
class NotSupported:
    """The device or its driver has no such thing (NVML_ERROR_NOT_SUPPORTED). Becomes `not-applicable`."""

    reason: str = "not supported by this device"


@dataclass(frozen=True, slots=True)
class Unread:
    """The device could not be asked: error code, deadline, permission. Becomes `unknown`, never zero."""

    reason: str


Value = TypeVar("Value")
Reading: TypeAlias = Value | NotSupported | Unread


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU as NVML shows it. `readings` by the names of agent/machine/nvml_probe.py, units in the names.

    `address` is the PCI address in sysfs form (0000:04:00.0). `lost` is the error when the card itself is gone,
    `lost_code` NVML's number for it (15 lost, 16 reset required; 0 none). `silence` says why not everything was
    asked.
    """

    index: int
    uuid: str
    name: str
    address: str
    readings: dict[str, Reading[object]] = field(default_factory=dict)
    lost: str = ""
    lost_code: int = 0
    silence: str = ""

    @property
    def label(self) -> str:
        """Return how people call it: `GPU 0 (NVIDIA H200)`."""
        return f"GPU {self.index} ({self.name})" if self.name else f"GPU {self.index}"

    @property
    def subject(self) -> str:
        """Return what findings are about: the UUID, or the best name there is without one."""
        return self.uuid or self.address or f"gpu-{self.index}"

    def reading(self, name: str) -> Reading[object]:
        """Return a reading; one that was never asked for is Unread."""
        return self.readings.get(name, Unread(self.silence or f"{name} was not read"))

    def number(self, name: str) -> Reading[int]:
        """Return a reading that is one whole number."""
        seen = self.reading(name)
        if isinstance(seen, int | NotSupported | Unread):
            return seen
        return Unread(f"{name} is no number: {seen!r}")

    def numbers(self, name: str, count: int = 0) -> Reading[tuple[int, ...]]:
        """Return a reading that is a list of whole numbers; of `count` numbers unless that is 0."""
        seen = self.reading(name)
        if isinstance(seen, NotSupported | Unread):
            return seen
        if isinstance(seen, list) and (not count or len(seen) == count) and all(isinstance(n, int) for n in seen):
            return tuple(seen)
        return Unread(f"{name} is no list of {count or 'whole'} numbers: {seen!r}")

    def samples(self, name: str) -> tuple[int, ...]:
        """Return the reading and its repetitions over half a second (made when the first look was suspicious)."""
        first, more = self.number(name), self.readings.get("samples")
        values = [first] if isinstance(first, int) else []
        if isinstance(more, list):
            values += [seen[name] for seen in more if isinstance(seen.get(name), int)]
        return tuple(values)


@dataclass(frozen=True, slots=True)
class GpuMemory:
    """Memory of a GPU in bytes. `unified`: it is the host's, `free` then is MemAvailable.

    `used_bytes` is what GPU processes hold; None when they could not be asked.
    """

    total_bytes: int
    used_bytes: int | None
    free_bytes: int
    unified: bool


@dataclass(frozen=True, slots=True)
class GpuView:
    """Everything NVML said in one visit.

    `failure` is empty when NVML came up; else `failure_code` is its error code (9 driver not loaded, 12 no
    library, 18 library/driver mismatch; 0 none of NVML's). `hung_in` names the call that did not return in time,
    `died_in` the one in which the asking process died.
    """

    driver_version: str = ""
    cuda_version: str = ""
    gpus: tuple[Gpu, ...] = ()
    failure: str = ""
    failure_code: int = 0
    hung_in: str = ""
    died_in: str = ""


@dataclass(frozen=True, slots=True)
class Graphics:
    """What an owner says about the GPUs: NVML's view (None when it was not asked; `silence` says why it could not be),
    memory by index, the loaded driver (version, `open` or `proprietary`; empty: none), CUDA toolkits in /usr/local.
    """

    view: GpuView | None
    silence: str = ""
    memory: dict[int, Reading[GpuMemory]] = field(default_factory=dict)
    driver: str = ""
    flavour: str = ""
    toolkits: tuple[str, ...] = ()
    chosen_toolkit: str = ""

    @property
    def unified(self) -> bool:
        """Return whether a GPU shares the host's memory."""
        return any(isinstance(memory, GpuMemory) and memory.unified for memory in self.memory.values())
