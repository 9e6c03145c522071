"""The rows of the tables. Every row has an id, its sources (ids of the table `sources`) and their date.

Here are cards, drivers, CUDA and systems; framework_rows and symptom_rows are read only where they are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What every row has. `date` is that of the newest source: YYYY, YYYY-MM or YYYY-MM-DD."""

    id: str
    source: tuple[str, ...]
    date: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where facts come from. `what` names document, repository or thread."""

    id: str
    what: str
    date: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card(Row):
    """A card. `driver_sure` drives it by what the sources say, below `driver_maybe` none does.

    `modules`: the open kernel modules are required, supported or unsupported. Bandwidth in GB/s, bf16 dense TFLOP/s.
    `architectures`: the CPUs (`uname -m`) that an integrated card shares its module with; empty: a card for a slot.
    """

    name: str
    architecture: str
    capability: str
    modules: str
    driver_maybe: str
    driver_sure: str
    aliases: tuple[str, ...] = ()
    pci: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    memory_gb: str = ""
    memory_type: str = ""
    unified: str = ""
    bandwidth_gbs: int | None = None
    bf16_tflops: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture(Row):
    """A GPU generation: first CUDA, last CUDA major release and last driver branch (None: no end is known)."""

    name: str
    capabilities: tuple[str, ...]
    cuda_first: str = ""
    cuda_last_major: int | None = None
    driver_last: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenKernel:
    """From this kernel on the module does not build, before driver `fixed` (empty: no release mends it)."""

    kernel: str
    source: tuple[str, ...]
    fixed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFault:
    """A driver version with a reported fault on one compute capability."""

    capability: str
    version: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver(Row):
    """A driver branch. `cuda` is the newest CUDA it reports; `ended` None: not known."""

    branch: int
    cuda: str
    open_modules: bool
    proprietary_modules: bool
    kind: str = ""
    first: str = ""
    latest: str = ""
    ended: bool | None = None
    end_of_life: str = ""
    kernels_broken: tuple[BrokenKernel, ...] = ()
    known_faults: tuple[KnownFault, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor(Row):
    """The oldest driver for a CUDA major release (minor version compatibility)."""

    cuda_major: int
    driver: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolkit(Row):
    """A CUDA toolkit release. `bundled_driver` came with it and is not the minimum: that is its Floor's."""

    version: str
    released: str = ""
    bundled_driver: str = ""
    capability_min: str = ""
    capability_max: str = ""
    gcc_max: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cudnn(Row):
    """A cuDNN release. `drivers`: minimum by CUDA major; `capabilities`: documented ranges, empty: not known."""

    version: str
    cuda_majors: tuple[int, ...]
    released: str = ""
    drivers: dict[str, str] = field(default_factory=dict)
    capabilities: tuple[tuple[str, str], ...] = ()
    blackwell_driver: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class System(Row):
    """An operating system on a CPU architecture. `repository` is the folder of NVIDIA's package repository."""

    system: str
    architecture: str
    python: str
    repository: str = ""
    archive_driver: str = ""
    vendor_managed: bool = False
    driver_branches: tuple[int, ...] = ()
