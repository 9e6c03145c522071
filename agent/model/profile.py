"""What a machine must be. A value stands here alone: roles apply it, checks judge it, plans predict it.

No `from __future__ import annotations` here: pydantic would compile and evaluate every annotation again, a third of
what this module costs. A default that is a section is made by `model_construct`, which builds no validator: one, the
whole profile's, is built when it is first used, not one more for each section.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from agent.model.units import GIB, parse_size

Size = Annotated[
    int, BeforeValidator(parse_size), Field(ge=0, description="bytes, or 16G / 512MiB"),
    WithJsonSchema({"description": "bytes, or 16G / 512MiB", "anyOf": [
        {"type": "integer", "minimum": 0},
        {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*[KMGTkmgt]?([iI]?[bB])?\s*$"},
    ]}),
]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")]


def _absolute(path: str) -> str:
    if not path.startswith("/") or ".." in path.split("/"):
        raise ValueError(f"{path!r} must be an absolute path without '..'")
    return path


AbsolutePath = Annotated[str, AfterValidator(_absolute)]


class Section(BaseModel):
    """A part of a profile. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Match(Section):
    """When this profile fits a machine. Every condition given must hold; regexes search, case-insensitive."""

    gpu: list[str] = Field(default=[], description="regexes; every NVIDIA GPU on the bus must match one")
    min_gpus: int = 0
    max_gpus: int | None = None
    architecture: list[Literal["x86_64", "aarch64"]] = []
    min_memory: Size = 0
    vendor_os: list[str] = Field(default=[], description='"dgx-os" or "" (a plain distribution)')
    priority: int = Field(default=0, description="among fitting profiles the highest wins")


class Base(Section):
    """Role `base`: apt in a sane state, package basics, unattended upgrades kept off the driver."""

    role: ClassVar[str] = "base"
    enabled: bool = True
    packages: list[str] = []
    upgrade_blacklist: list[str] = Field(default=[], description="Unattended-Upgrade::Package-Blacklist regexes")
    apt_lock_timeout_s: int = Field(default=600, ge=0)
    wait_cloud_init: bool = True


class Sysctl(Section):
    """Role `sysctl`: values must be equal, floors are minima that are never lowered."""

    role: ClassVar[str] = "sysctl"
    enabled: bool = True
    values: dict[str, int | str] = {}
    floors: dict[str, int] = {}


class Limits(Section):
    """Role `limits`: open files and locked memory for logins (PAM) and services (systemd)."""

    role: ClassVar[str] = "limits"
    enabled: bool = True
    nofile: int = Field(default=1_000_000, ge=1024)
    memlock: int | Literal["unlimited"] | None = Field(default=None, description="KiB for PAM; None leaves it alone")


class Slice(Section):
    """Role `slice`: a systemd slice for AI jobs, and memory kept for people's shells."""

    role: ClassVar[str] = "slice"
    enabled: bool = True
    name: str = Field(default="ai.slice", pattern=r"^[a-z0-9]+\.slice$")
    cpu_weight: int = Field(default=80, ge=1, le=10_000)
    memory_high_percent: float | None = Field(default=80, gt=0, le=100, description="of the machine's memory")
    memory_max_percent: float | None = Field(default=90, gt=0, le=100)
    user_memory_min: Size = Field(default=0, description="MemoryMin= of user.slice")


class Swap(Section):
    """Role `swap`: a swap file sized from memory unless `size` is given. Existing swap is adopted."""

    role: ClassVar[str] = "swap"
    enabled: bool = True
    path: AbsolutePath = "/swap.img"
    size: Size | Literal["auto"] = "auto"


class DataDisk(Section):
    """One XFS data disk, named by the drive's own serial or WWN. Never formatted unless provably blank."""

    serial: str = Field(default="", description="ID_SERIAL_SHORT, as `firstlight detect` prints it")
    wwn: str = ""
    size: Size | None = Field(default=None, description="exact bytes, as `firstlight detect` prints it")
    label: str = Field(pattern=r"^[A-Za-z0-9_-]{1,12}$")
    mount: AbsolutePath = "/data"
    options: list[str] = ["noatime", "logbufs=8", "logbsize=256k"]
    adopt_uuid: str = Field(
        default="", pattern=r"^([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})?$",
        description="UUID of an XFS filesystem on it that is to be kept as ours, with everything on it",
    )


class DataDisks(Section):
    """Role `data_disks`."""

    role: ClassVar[str] = "data_disks"
    enabled: bool = True
    disks: list[DataDisk] = []
    min_free_percent: float = Field(default=5, ge=0, le=100)
    min_read_iops: int = Field(default=0, ge=0, description="4 KiB random read; 0 = recorded, not judged")


class Docker(Section):
    """Role `docker`: a working engine is adopted; `daemon` is merged key by key into daemon.json."""

    role: ClassVar[str] = "docker"
    enabled: bool = True
    source: Literal["distribution", "docker.com"] = "distribution"
    repository: str = "https://download.docker.com/linux"
    daemon: dict[str, Any] = {}
    users: list[str] = Field(default=[], description="added to group docker, which is root-equivalent; opt-in")
    nofile: int | None = Field(default=None, description="LimitNOFILE= of docker.service; None leaves it alone")


class ContainerToolkit(Section):
    """Role `container_toolkit`: NVIDIA Container Toolkit registered with Docker (runtime and CDI)."""

    role: ClassVar[str] = "container_toolkit"
    enabled: bool = True
    install: bool = Field(default=True, description="false: register only; the packages are somebody else's")
    repository: str = "https://nvidia.github.io/libnvidia-container/stable/deb"
    repository_key: str = "https://nvidia.github.io/libnvidia-container/gpgkey"
    version: str = Field(default="", description="X.Y.Z of all four packages; empty = newest, pinned together")
    min_version: str = Field(default="1.19.1", description="oldest without a known serious CVE")
    default_runtime: bool = False
    cdi: bool = True


class Driver(Section):
    """Role `driver`: the NVIDIA driver of one branch. On a vendor-managed system it is only verified."""

    role: ClassVar[str] = "driver"
    enabled: bool = False
    branch: str | None = Field(default=None, pattern=r"^\d{3}$", description='e.g. "580"; null = any supported one')
    flavour: Literal["auto", "open", "proprietary"] = Field(default="auto", description="auto: by the card")
    source: Literal["auto", "vendor", "distribution", "nvidia"] = Field(default="auto", description="auto: by the OS")
    variant: Literal["auto", "full", "compute"] = Field(
        default="auto", description="compute: without OpenGL and X11; auto: full where a desktop is installed")
    persistence: bool = Field(default=True, description="nvidia-persistenced keeps idle cards initialised")
    repository: str = Field(
        default="https://developer.download.nvidia.com/compute/cuda/repos",
        description="folder above NVIDIA's repositories for each system; driver, CUDA and cuDNN come from it")
    repository_key: str = Field(default="", description="address of its armoured key; empty: NVIDIA's own there")


class Cuda(Section):
    """Role `cuda`: a toolkit on the host (nvcc, headers). Frameworks bring their own libraries."""

    role: ClassVar[str] = "cuda"
    enabled: bool = False
    toolkit: str | None = Field(default=None, pattern=r"^\d{2}\.\d{1,2}$", description='e.g. "13.0"; null = any')
    environments: list[AbsolutePath] = Field(
        default=[], description="Python environments to look into; empty: those in the usual places")


class Cudnn(Section):
    """Role `cudnn`: cuDNN on the host, for programs that are built there."""

    role: ClassVar[str] = "cudnn"
    enabled: bool = False
    version: str | None = Field(default=None, pattern=r"^\d{1,2}(\.\d+){0,3}$", description='e.g. "9"; null = any')


class FabricManager(Section):
    """Role `fabric_manager`: only on machines with NVSwitches, and of the driver's own version."""

    role: ClassVar[str] = "fabric_manager"
    enabled: bool = True
    needed: Literal["auto", "always"] = Field(
        default="auto", description="auto: where NVSwitches are seen; always: though none is seen")


class Profilers(Section):
    """Role `profilers`: Nsight Systems on the command line."""

    role: ClassVar[str] = "profilers"
    enabled: bool = False
    repository: str = Field(
        default="https://developer.download.nvidia.com/devtools/repos",
        description="folder above NVIDIA's repositories of developer tools")
    repository_key: str = Field(default="", description="address of its armoured key; empty: NVIDIA's own there")


class BackupJob(Section):
    """One nightly rsync of a folder to another disk."""

    name: Name
    source: AbsolutePath
    destination: AbsolutePath
    schedule: str = Field(default="*-*-* 02:30:00", description="systemd OnCalendar=")
    delete: bool = Field(default=False, description="also delete at the destination what is gone at the source")


class Backup(Section):
    """Role `backup`: rsync timers for chosen folders."""

    role: ClassVar[str] = "backup"
    enabled: bool = True
    jobs: list[BackupJob] = []


class Images(Section):
    """Role `images`: container images that are here, right for this CPU, card and driver."""

    role: ClassVar[str] = "images"
    enabled: bool = True
    pull: list[str] = Field(
        default=[], description="a purpose (the first image of the catalogue that fits), a name of the catalogue, or "
        "a reference, best with @sha256:…",
    )
    credentials: AbsolutePath = Field(
        default="/etc/firstlight/registries", description="folder with one login file per registry, named by its host",
    )
    foreign: list[str] = Field(default=[], description="images for another CPU that are here on purpose (emulation)")


Endpoint = Annotated[str, Field(pattern=r"^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\]):[0-9]{1,5}$")]


class Monitoring(Section):
    """Role `monitoring`: Prometheus with our rules, Alertmanager, node_exporter, dashboards. On loopback by default."""

    role: ClassVar[str] = "monitoring"
    enabled: bool = False
    prometheus: bool = Field(default=True, description="Prometheus and Alertmanager on this machine")
    node_exporter: bool = True
    grafana: bool = Field(default=False, description="data source and dashboards for a Grafana on this machine")
    dcgm: bool = Field(default=False, description="scrape a dcgm-exporter; never where DCGM has none")
    dcgm_image: str = Field(
        default="", pattern=r"^([a-z0-9./:_-]+@sha256:[0-9a-f]{64})?$",
        description="run this dcgm-exporter image, by digest; empty = somebody else runs it",
    )
    targets: list[Endpoint] = Field(default=["127.0.0.1:9836"], description="where `firstlight serve` answers")
    node_targets: list[Endpoint] = ["127.0.0.1:9100"]
    dcgm_targets: list[Endpoint] = ["127.0.0.1:9400"]
    prometheus_listen: Endpoint = "127.0.0.1:9090"
    alertmanager_listen: Endpoint = "127.0.0.1:9093"
    node_exporter_listen: Endpoint = "127.0.0.1:9100"


class Kernel(Section):
    """Settings of the running kernel."""

    sysctl: Sysctl = Sysctl.model_construct()


class System(Section):
    """The distribution and its services."""

    base: Base = Base.model_construct()
    limits: Limits = Limits.model_construct()
    slice: Slice = Slice.model_construct()
    swap: Swap = Swap.model_construct()
    backup: Backup = Backup.model_construct()
    monitoring: Monitoring = Monitoring.model_construct()


class Storage(Section):
    """Disks and filesystems."""

    data_disks: DataDisks = DataDisks.model_construct()
    min_free_percent: float = Field(default=10, ge=0, le=100, description="warn below; fail below half of it")
    min_free_inodes_percent: float = Field(default=10, ge=0, le=100)


class Container(Section):
    """Docker and the NVIDIA Container Toolkit."""

    docker: Docker = Docker.model_construct()
    toolkit: ContainerToolkit = ContainerToolkit.model_construct()


class Temperature(Section):
    """How warm a GPU may get that tells no limit of its own; a card's own limits go before these."""

    warn_c: int | None = Field(default=None, ge=30, le=125, description="°C; null = our figure for the card")
    fail_c: int | None = Field(default=None, ge=30, le=125, description="°C, above warn_c; null = our figure")

    @field_validator("fail_c")
    @classmethod
    def _above(cls, fail_c: int | None, told: ValidationInfo) -> int | None:
        warn_c = told.data.get("warn_c")
        if fail_c is not None and warn_c is not None and fail_c <= warn_c:
            raise ValueError(f"it must be above warn_c, {warn_c}")
        return fail_c


class GpuSoftware(Section):
    """What drives the cards, what is built on them, and how warm they may get."""

    driver: Driver = Driver.model_construct()
    cuda: Cuda = Cuda.model_construct()
    cudnn: Cudnn = Cudnn.model_construct()
    fabric_manager: FabricManager = FabricManager.model_construct()
    profilers: Profilers = Profilers.model_construct()
    temperature: Temperature = Temperature.model_construct()


class Smoke(Section):
    """How `firstlight smoke` proves this machine: where its jobs run, how large they are, how patient it is."""

    place: Literal["auto", "container", "local"] = Field(
        default="auto", description="auto: in the image when it is here, else by the interpreter when one is named")
    image: str = Field(default="", description="has torch: a name or purpose of the image catalogue (the first that "
                       "fits and is here), or a reference; never pulled by a smoke test; empty: none")
    cuda_image: str = Field(default="", description="has nvcc: likewise")
    vllm_image: str = Field(default="", description="has vLLM: likewise; empty: `image`")
    python: str = Field(default="", description="an interpreter with torch (for job vllm with vLLM), for place local")
    lora_size: Literal["small", "medium", "large"] = "small"
    lora_dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    passes: int = Field(default=3, ge=1, le=10, description="a figure is slow only when this many passes say so")
    tolerance_percent: float = Field(default=15, gt=0, lt=100, description="below this machine's first day is slow")
    time_limit_s: float = Field(default=600, gt=0, description="of one job")
    serve_limit_s: float = Field(default=1800, gt=0, description="of the job vllm, which starts up to three servers")
    memory_limit: Size = Field(default=0, description="of one job's host memory; 0: three quarters of the machine's")
    disk_limit: Size = Field(default=4 * GIB, description="of one job's own files")


class DriftRules(Section):
    """What `firstlight drift` does not count."""

    ignore: list[str] = Field(default=[], description="patterns of what drift prints: `AREA KEY` for a fact (`package "
                              "linux-*`), `CHECK SUBJECT` for a drift from the profile (`kernel.sysctl vm.*`)")


class Profile(Section):
    """A whole profile after `extends` and site overrides are merged."""

    schema_version: Literal[1] = Field(default=1, alias="schema")
    name: Name
    title: str = ""
    extends: str | None = None
    match: Match = Match.model_construct()
    vendor_managed: bool = Field(default=False, description="driver, CUDA and toolkit are the vendor's: verify only")
    kernel: Kernel = Kernel.model_construct()
    system: System = System.model_construct()
    storage: Storage = Storage.model_construct()
    gpu: GpuSoftware = GpuSoftware.model_construct()
    container: Container = Container.model_construct()
    images: Images = Images.model_construct()
    smoke: Smoke = Smoke.model_construct()
    drift: DriftRules = DriftRules.model_construct()

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, defer_build=True)
