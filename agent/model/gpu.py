"""What a GPU answers. A value, "not supported by this hardware" and "could not be read" are three types."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar


@dataclass(frozen=True, slots=True)
class NotSupported:
    """The device says that it has no such thing (NVML_ERROR_NOT_SUPPORTED). Becomes `not-applicable`."""

    reason: str = "not supported by this device"


@dataclass(frozen=True, slots=True)
class Unread:
    """The device could not be asked: error code, deadline, missing function. Becomes `unknown`, never zero."""

    reason: str


Value = TypeVar("Value")
Reading: TypeAlias = Value | NotSupported | Unread


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU as NVML shows it. `readings` by the names of agent/machine/nvml_probe.py, units in the names.

    `address` is the PCI address in sysfs form (0000:04:00.0). `lost` is the error when the card itself is gone.
    """

    index: int
    uuid: str
    name: str
    address: str
    readings: dict[str, Reading[object]] = field(default_factory=dict)
    lost: str = ""

    def reading(self, name: str) -> Reading[object]:
        """Return a reading; one that was never asked for is Unread."""
        return self.readings.get(name, Unread(f"{name} was not read"))


@dataclass(frozen=True, slots=True)
class GpuMemory:
    """Memory of a GPU in bytes. `unified`: it is the host's, `free` then is MemAvailable."""

    total_bytes: int
    used_bytes: int
    free_bytes: int
    unified: bool


@dataclass(frozen=True, slots=True)
class GpuView:
    """Everything NVML said in one visit.

    `failure` is empty when NVML came up; else `failure_code` is its error code (9 driver not loaded, 12 no
    library, 18 library/driver mismatch; 0 none of NVML's). `hung_in` names the call that did not return in time.
    """

    driver_version: str = ""
    cuda_version: str = ""
    gpus: tuple[Gpu, ...] = ()
    failure: str = ""
    failure_code: int = 0
    hung_in: str = ""
