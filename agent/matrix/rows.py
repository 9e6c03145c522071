"""The rows of the tables. Every row has an id, its sources (ids of the table `sources`) and their date."""

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
    """

    name: str
    architecture: str
    capability: str
    modules: str
    driver_maybe: str
    driver_sure: str
    aliases: tuple[str, ...] = ()
    pci: tuple[str, ...] = ()
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
class Build:
    """One build of torch on download.pytorch.org. An empty `status` means it was not verified."""

    tag: str
    cudnn: str = ""
    status: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Torch(Row):
    """A torch release. `pypi_cuda` is the CUDA of its PyPI wheel on x86_64; `pypi_aarch64`: cpu or cuda."""

    version: str
    released: str
    python: tuple[str, ...]
    pypi_cuda: str
    pypi_aarch64: str
    builds: tuple[Build, ...]
    builds_complete: bool
    pypi_cudnn: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchBuild(Row):
    """The cards that torch builds `first` to `last` with this tag have code for; `12.0+PTX` carries PTX."""

    tag: str
    first: str
    last: str
    platform: str
    capabilities: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vllm(Row):
    """A vLLM release on PyPI. `nvfp4_on_12_1`: works, fails, doubtful, or empty where it does not run."""

    version: str
    released: str
    python: str
    torch: str
    cuda: str
    platforms: tuple[str, ...]
    proven: tuple[str, ...] = ()
    nvfp4_on_12_1: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VllmCards(Row):
    """The least compute capability of vLLM releases from `first` to before `below`."""

    first: str
    below: str
    capability_min: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Image(Row):
    """A container image, or a range of tags (`tag_first` to before `tag_below`, `*` any).

    `architectures` are docker's words (amd64, arm64); empty: not known. `proven`: capabilities it was seen to run on.
    """

    reference: str
    architectures: tuple[str, ...] = ()
    cuda: str = ""
    cuda_from_tag: bool = False
    vllm_from_tag: bool = False
    tag_pattern: str = ""
    tag_first: str = ""
    tag_below: str = ""
    bundled_driver: str = ""
    driver: str = ""
    torch: str = ""
    vllm: str = ""
    plain_cuda: bool = False
    proven: tuple[str, ...] = ()


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Xid(Row):
    """A Xid. `action` and `then` are NVIDIA's words, `gpud_*` another source's.

    `application`: NVIDIA's Kubernetes plugin ignores it.
    """

    code: int
    name: str
    driver_name: str = ""
    what: str = ""
    unused: bool = False
    action: str = ""
    then: str = ""
    gpud_event: str = ""
    gpud_actions: tuple[str, ...] = ()
    application: bool = False
    look: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SXid(Row):
    """An error of an NVSwitch. `kind`: non-fatal, fatal, always-fatal, other-notable; `gpud_*` another source's."""

    code: int
    name: str
    kind: str
    impact: str = ""
    recovery: str = ""
    gpud_event: str = ""
    gpud_actions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Symptom(Row):
    """A text that programs print when something is wrong. `source`: ids, or threads as owner/name#number."""

    pattern: str
    cause: str
    look: tuple[str, ...]
    remedy: tuple[str, ...]
    rows: tuple[str, ...] = ()
