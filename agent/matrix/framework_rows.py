"""The rows about torch, vLLM and container images."""

from __future__ import annotations

from dataclasses import dataclass

from agent.matrix.rows import Row


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
class ImageCode:
    """The cards that an image for one architecture (docker's word) has code for; `12.0+PTX` carries PTX."""

    architecture: str
    capabilities: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Image(Row):
    """A container image, or a range of tags (`tag_first` to before `tag_below`, `*` any).

    `architectures` are docker's words (amd64, arm64); empty: not known. `proven`: capabilities it was seen to run on;
    `code`: what it was built for.
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
    code: tuple[ImageCode, ...] = ()
