"""Machines with a card, a driver and a CUDA toolkit that are as they must be, or not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.fixtures import Content, FakeMachine, link

VERSION, CUDA = "580.95.05", "13.0.2"
LIBRARIES = "/usr/lib/x86_64-linux-gnu"
STATUS = "/var/lib/dpkg/status"
NO_PACKAGES = "Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5\n"
ASKED = {"gpu": {"cuda": {"enabled": True, "toolkit": "13.0"}, "cudnn": {"enabled": True, "version": "9"}}}
ADDRESS = "0000:01:00.0"


def card(device: str = "2684") -> dict[str, Content]:
    """Return one card on the bus: an RTX 4090 unless told."""
    folder = f"/sys/bus/pci/devices/{ADDRESS}"
    return {f"{folder}/vendor": "0x10de\n", f"{folder}/class": "0x030000\n", f"{folder}/device": f"0x{device}\n"}


def toolkit(version: str, *, nvcc: bool = True) -> dict[str, Content]:
    """Return the folder of a toolkit."""
    folder = f"/usr/local/cuda-{'.'.join(version.split('.')[:2])}"
    files: dict[str, Content] = {f"{folder}/version.json": json.dumps({"cuda": {"version": version}}),
                                 f"{folder}/lib64/x": ""}
    return files | ({f"{folder}/bin/nvcc": ""} if nvcc else {f"{folder}/bin/x": ""})


def cudnn(version: str = "9.17.0", *, cuda: str = "13", header: str = "") -> dict[str, Content]:
    """Return cuDNN's library, header and package."""
    major, minor, patch = (header or version).split(".")
    return {
        f"{LIBRARIES}/libcudnn.so.{version[0]}": link(f"libcudnn.so.{version}"),
        f"{LIBRARIES}/libcudnn.so.{version}": "",
        "/usr/include/x86_64-linux-gnu/cudnn_version_v9.h":
            f"#define CUDNN_MAJOR {major}\n#define CUDNN_MINOR {minor}\n#define CUDNN_PATCHLEVEL {patch}\n",
        STATUS: package(f"libcudnn{version[0]}-cuda-{cuda}", f"{version}.21-1"),
    }


def package(name: str, version: str) -> str:
    """Return dpkg's file with one more package."""
    return f"{NO_PACKAGES}\nPackage: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n"


def healthy_files(device: str = "2684") -> dict[str, Content]:
    """Return the files of a machine with CUDA 13.0, cuDNN 9 and driver 580."""
    return {
        **card(device), **toolkit(CUDA), **cudnn(), "/usr/local/cuda": link("/etc/alternatives/cuda"),
        "/etc/alternatives/cuda": link("/usr/local/cuda-13.0"),
        "/usr/bin/gcc": link("gcc-13"), "/usr/bin/gcc-13": "", "/etc/profile.d/cuda.sh":
            'export PATH="$PATH:/usr/local/cuda/bin"\n', "/etc/ld.so.conf": "include /etc/ld.so.conf.d/*.conf\n",
        "/etc/ld.so.conf.d/x86_64-linux-gnu.conf":
            f"# Multiarch support\n/usr/local/lib/x86_64\n/lib/x86_64-linux-gnu\n{LIBRARIES}\n",
        "/lib/x86_64-linux-gnu/libcuda.so.1": link(f"libcuda.so.{VERSION}"),
        f"/lib/x86_64-linux-gnu/libcuda.so.{VERSION}": "",
        f"{LIBRARIES}/libcuda.so.1": link(f"libcuda.so.{VERSION}"), f"{LIBRARIES}/libcuda.so.{VERSION}": "",
        f"{LIBRARIES}/libnvidia-ml.so.1": "", "/etc/os-release": 'ID=ubuntu\nVERSION_ID="24.04"\n',
        "/proc/sys/kernel/osrelease": "6.8.0-45-generic\n", "/sys/module/nvidia/version": VERSION + "\n",
    }


def cuda(files: Mapping[str, Content | None] | None = None, *, device: str = "2684", arch: str = "x86_64",
         **more: Any) -> FakeMachine:
    """Return the healthy machine with some files changed; a file that is None is taken away."""
    whole = {**healthy_files(device), **(files or {})}
    return FakeMachine({path: content for path, content in whole.items() if content is not None},
                       {("uname", "-m"): arch + "\n"}, **more)


def without(*beginnings: str) -> dict[str, Content | None]:
    """Return the healthy files that begin so, taken away."""
    return {path: None for path in healthy_files() if path.startswith(beginnings)}


def torch(folder: str, version: str, cuda_version: str = "", *, vllm: str = "", pinned: str = "") -> dict[str, Content]:
    """Return a virtual environment with torch, and with vLLM built for torch `pinned`."""
    site = f"{folder}/lib/python3.12/site-packages"
    told = f"'{cuda_version}'" if cuda_version else "None"
    files: dict[str, Content] = {
        f"{folder}/pyvenv.cfg": "home = /usr/bin\n", f"{site}/torch-{version}.dist-info/METADATA": "",
        f"{site}/torch/version.py": f"__version__ = '{version}'\ndebug = False\ncuda: Optional[str] = {told}\n"
                                    "git_version = 'abc'\nhip: Optional[str] = None\n"}
    if vllm:
        files[f"{site}/vllm-{vllm}.dist-info/METADATA"] = f"Name: vllm\nRequires-Dist: torch=={pinned}\n"
    return files
