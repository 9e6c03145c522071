"""Situations of CUDA on the host, by name: the machine and (check, verdict, word of its cause)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.checks.cuda.machines import (
    ASKED,
    LIBRARIES,
    NO_PACKAGES,
    STATUS,
    cuda,
    cudnn,
    package,
    toolkit,
    torch,
    without,
)
from tests.fixtures import FakeMachine, link


@dataclass(frozen=True)
class Situation:
    """A machine, what must be found on it, and the profile's sections for it."""

    machine: FakeMachine
    wanted: tuple[str, str, str]
    sections: dict[str, Any] = field(default_factory=lambda: ASKED)


def _of(check: str, verdict: str, word: str, files: Any = None, *, sections: Any = None, **more: Any) -> Situation:
    return Situation(cuda(files, **more), (f"cuda.{check}", verdict, word), ASKED if sections is None else sections)


_NO_CUDA = {**without("/usr/local/cuda", "/etc/alternatives"), "/usr/local/bin/x": ""}
_NO_CUDNN = {**without(f"{LIBRARIES}/libcudnn", "/usr/include"), STATUS: NO_PACKAGES}
_ENV = "/opt/train"
_PROFILERS = {"gpu": {"profilers": {"enabled": True}}}
_NAMED = {"gpu": {"cuda": {"environments": [_ENV]}}}

SITUATIONS: dict[str, Situation] = {
    "healthy": _of("toolkit", "pass", "CUDA 13.0.2 is chosen"),
    "nothing-asked-nothing-there": _of("toolkit", "not-applicable", "asks for none", {**_NO_CUDA, **_NO_CUDNN},
                                       sections={}),
    "no-toolkit": _of("toolkit", "fail", "profile wants 13.0", _NO_CUDA),
    "other-toolkit": _of("toolkit", "fail", "CUDA 12.8.1 is installed; the profile wants 13.0", {
        **_NO_CUDA, **toolkit("12.8.1"), "/usr/local/cuda": link("/usr/local/cuda-12.8")}),
    "other-toolkit-chosen": _of("toolkit", "fail", "12.8.1 is chosen; the profile wants 13.0, which is there too", {
        **toolkit("12.8.1"), "/usr/local/cuda": link("/usr/local/cuda-12.8")}),
    "dangling-link": _of("toolkit", "fail", "is no CUDA toolkit", {"/usr/local/cuda": link("/usr/local/cuda-12.4")}),
    "no-link": _of("toolkit", "warn", "there is no /usr/local/cuda", {"/usr/local/cuda": None}),
    "two-toolkits": _of("toolkit", "pass", "also there: 12.8.1", toolkit("12.8.1")),
    "no-nvcc": _of("nvcc", "fail", "has no nvcc", {"/usr/local/cuda-13.0/bin/nvcc": None,
                                                   "/usr/local/cuda-13.0/bin/x": ""}),
    "no-compiler": _of("nvcc", "warn", "gcc is not", {"/usr/bin/gcc": None}),
    "compiler-too-new": _of("nvcc", "warn", "takes gcc up to 15", {
        "/usr/bin/gcc": link("gcc-16"), "/usr/bin/gcc-16": ""}),
    "not-in-path": _of("nvcc", "warn", "not in PATH", {"/etc/profile.d/cuda.sh": None}),
    "two-nvcc": _of("nvcc", "warn", "/usr/bin/nvcc is the distribution's 12.0", {
        STATUS: package("nvidia-cuda-toolkit", "12.0.140~12.0.1-4build4"), "/usr/bin/nvcc": ""}),
    "no-cudnn": _of("cudnn", "fail", "not installed", _NO_CUDNN),
    "cudnn-not-asked": _of("cudnn", "not-applicable", "does not ask", _NO_CUDNN, sections={}),
    "two-cudnn": _of("cudnn", "fail", "2 versions", {
        "/usr/local/lib/libcudnn.so.9": link("libcudnn.so.9.1.0"), "/usr/local/lib/libcudnn.so.9.1.0": ""}),
    "cudnn-header-of-another": _of("cudnn", "fail", "header says 9.1.0", cudnn(header="9.1.0")),
    "cudnn-too-old": _of("cudnn", "fail", "profile wants 9", {**_NO_CUDNN, **cudnn("8.9.7", header="8.9.7")}),
    "cudnn-for-other-cuda": _of("cudnn", "warn", "built for CUDA 12", cudnn(cuda="12")),
    "cudnn-header-only": _of("cudnn", "warn", "has no library", without(f"{LIBRARIES}/libcudnn")),
    "no-profilers": _of("profilers", "fail", "asks for profilers", sections=_PROFILERS),
    "profilers-not-asked": _of("profilers", "not-applicable", "does not ask"),
    "profilers": _of("profilers", "pass", "nsight-systems-cli 2025.3.2.474-1", {
        STATUS: package("nsight-systems-cli", "2025.3.2.474-1")}, sections=_PROFILERS),
    "profilers-and-open-counters": _of("profilers", "pass", "open to everybody", {
        STATUS: package("nsight-systems-2025.3.2", "2025.3.2.474-253236389321v0"),
        "/proc/driver/nvidia/params": "ResmanDebugLevel: 4294967295\nRmProfilingAdminOnly: 0\n"}),
    "stubs": _of("library-path", "fail", "stubs", {"/etc/ld.so.conf.d/cuda.conf": "/usr/local/cuda/lib64/stubs\n"}),
    "two-driver-libraries": _of("library-path", "fail", "2 driver libraries", {
        "/etc/ld.so.conf.d/compat.conf": "/usr/local/cuda-13.0/compat\n", "/usr/local/cuda-13.0/compat/libcuda.so.1":
            link("libcuda.so.580.82.07"), "/usr/local/cuda-13.0/compat/libcuda.so.580.82.07": ""}),
    "library-path-for-everybody": _of("library-path", "warn", "for every login", {
        "/etc/environment": 'PATH="/usr/bin"\nLD_LIBRARY_PATH="/usr/local/cuda/lib64"\n'}),
    "library-path-exported": _of("library-path", "warn", "/etc/profile.d/cuda.sh", {
        "/etc/profile.d/cuda.sh": "export PATH=/usr/local/cuda/bin:$PATH\n"
        "export LD_LIBRARY_PATH=/usr/local/cuda/lib64\n"}),
    "driver-too-old-for-cuda": _of("driver-fit", "fail", "needs driver 580.65.06 or newer", {
        "/sys/module/nvidia/version": "550.163.01\n"}),
    "card-too-new-for-cuda": _of("driver-fit", "fail", "CUDA 12.8 is the first", {
        **_NO_CUDA, **_NO_CUDNN, **toolkit("12.4.1"), "/usr/local/cuda": link("/usr/local/cuda-12.4")}, device="2b85"),
    "card-too-old-for-cuda": _of("driver-fit", "fail", "is the last for Volta", device="1db5"),
    "driver-against-vendor": _of("driver-fit", "fail", "supports branch 580", {
        **_NO_CUDA, **_NO_CUDNN, "/etc/dgx-release": "x", "/sys/module/nvidia/version": "595.71.05\n"}, device="2e12",
        arch="aarch64", sections={"vendor_managed": True}),
    "cudnn-without-row": _of("driver-fit", "unknown", "cuDNN", {**_NO_CUDNN, **cudnn("9.99.9")}),
    "no-driver-loaded": _of("driver-fit", "unknown", "driver.module", {"/sys/module/nvidia/version": None}),
    "nothing-to-compare": _of("driver-fit", "not-applicable", "neither", {**_NO_CUDA, **_NO_CUDNN}),
    "torch-fits": _of("frameworks", "pass", "fits driver and card", torch(_ENV, "2.9.0+cu128", "12.8")),
    "torch-for-the-cpu": _of("frameworks", "warn", "build for the CPU", torch(_ENV, "2.9.0+cpu")),
    "torch-for-the-cpu-asked": _of("frameworks", "fail", "build for the CPU", torch(_ENV, "2.9.0+cpu"),
                                   sections=_NAMED),
    "torch-for-the-cpu-on-arm": _of("frameworks", "warn", "on arm64 PyPI", torch("/home/ada/models/.venv", "2.9.0"),
                                    device="2e12", arch="aarch64"),
    "torch-newer-than-driver": _of("frameworks", "warn", "needs driver 580.65.06", {
        **torch(_ENV, "2.9.0+cu130", "13.0"), "/sys/module/nvidia/version": "550.163.01\n"}),
    "torch-without-code-for-the-card": _of("frameworks", "warn", "does not run here", torch(
        _ENV, "2.4.1+cu121", "12.1"), device="2b85"),
    "torch-without-row": _of("frameworks", "unknown", "no row", torch(_ENV, "9.9.9+cu130", "13.0")),
    "vllm-for-another-torch": _of("frameworks", "warn", "was built for torch 2.9.0", torch(
        _ENV, "2.8.0+cu128", "12.8", vllm="0.12.0", pinned="2.9.0")),
    "named-environment-absent": _of("frameworks", "unknown", "/opt/train", sections=_NAMED),
    "no-environment": _of("frameworks", "not-applicable", "No Python environment"),
    "conda-environment": _of("frameworks", "pass", "/home/ada/miniconda3/envs/x", {
        **torch("/home/ada/miniconda3/envs/x", "2.9.0+cu128", "12.8"),
        "/home/ada/miniconda3/envs/x/pyvenv.cfg": None, "/home/ada/miniconda3/envs/x/conda-meta/history": ""}),
}
