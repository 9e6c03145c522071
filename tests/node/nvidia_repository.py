"""Stand-ins of NVIDIA's repositories: packages of the same names and dependencies, empty, in folders of a node.

Names: NVIDIA's driver installation guide for Debian, cuDNN's and Nsight Systems' installation guides.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.node.apt_repository import Deb, publish
from tests.node.disposable import Disposable

ROOT = "/srv/nvidia"
CUDA, TOOLS = f"file://{ROOT}/cuda/repos", f"file://{ROOT}/devtools/repos"
SYSTEMS = {"12": ("debian12", "3bf863cc.pub", "ubuntu2204"), "13": ("debian13", "8793F200.pub", "ubuntu2404")}
ORIGIN = "NVIDIA"
OLD, NEW, NEXT = "580.82.07", "580.95.05", "590.48.01"
_UNIT = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"


def driver(version: str) -> Iterator[Deb]:
    """Yield the packages of one driver as NVIDIA's Debian repository has them."""
    deb = f"{version}-1"

    def needs(*names: str) -> dict[str, str]:
        return {"Depends": ", ".join(f"{name} (= {deb})" for name in names)}

    for name, other in (("nvidia-kernel-open-dkms", "nvidia-kernel-dkms"),
                        ("nvidia-kernel-dkms", "nvidia-kernel-open-dkms")):
        yield Deb(name, deb, {"Conflicts": other, "Replaces": other})
    yield Deb("libcuda1", deb)
    yield Deb("libnvidia-ml1", deb)
    yield Deb("nvidia-persistenced", deb, files={"lib/systemd/system/nvidia-persistenced.service": _UNIT},
              postinst="systemctl enable -q nvidia-persistenced.service")
    yield Deb("nvidia-driver-cuda", deb, needs("libcuda1", "libnvidia-ml1"))
    yield Deb("nvidia-driver", deb, needs("libnvidia-ml1"))
    yield Deb("nvidia-open", deb, needs("nvidia-driver", "nvidia-driver-cuda", "nvidia-kernel-open-dkms"))
    yield Deb("cuda-drivers", deb, needs("nvidia-driver", "nvidia-driver-cuda", "nvidia-kernel-dkms"))
    yield Deb("nvidia-fabricmanager", deb, files={"lib/systemd/system/nvidia-fabricmanager.service": _UNIT})


def pinning(branch: str) -> Deb:
    """Return the package that keeps apt on a branch."""
    text = f"Package: *nvidia* cuda-drivers* libcuda1\nPin: version {branch}.*\nPin-Priority: 1001\n"
    return Deb(f"nvidia-driver-pinning-{branch}", f"{branch}-1",
               {"Provides": "nvidia-driver-pinning", "Conflicts": "nvidia-driver-pinning"},
               {f"etc/apt/preferences.d/nvidia-driver-pinning-{branch}": text})


def libraries() -> Iterator[Deb]:
    """Yield CUDA 13.0 and cuDNN 9, with the metapackage that also pulls a driver (never to be taken)."""
    yield Deb("cuda-nvcc-13-0", "13.0.88-1", files={"usr/local/cuda-13.0/bin/nvcc": "#!/bin/sh\necho release 13.0\n"},
              postinst="update-alternatives --install /usr/local/cuda cuda /usr/local/cuda-13.0 130")
    yield Deb("cuda-toolkit-13-0", "13.0.2-1", {"Depends": "cuda-nvcc-13-0 (>= 13.0.88)"})
    yield Deb("cuda-13-0", "13.0.2-1", {"Depends": "cuda-toolkit-13-0, nvidia-open"})
    parts = ("libcudnn9-cuda-13", "libcudnn9-dev-cuda-13", "libcudnn9-headers-cuda-13")
    yield from (Deb(name, "9.13.0.50-1") for name in parts)
    yield Deb("cudnn9-cuda-13", "9.13.0-1", {"Depends": ", ".join(f"{name} (>= 9.13.0)" for name in parts)})


def publish_nvidia(machine: Disposable, release: str, architecture: str = "x86_64") -> None:
    """Lay out both repositories for a Debian release ("12") on a machine."""
    system, key, tools = SYSTEMS[release]
    debs = [deb for version in (OLD, NEW, NEXT) for deb in driver(version)]
    publish(machine, f"{ROOT}/cuda/repos/{system}/{architecture}",
            [*debs, pinning("580"), pinning("590"), *libraries()], key, ORIGIN)
    folder = {"x86_64": "amd64", "sbsa": "arm64"}[architecture]
    publish(machine, f"{ROOT}/devtools/repos/{tools}/{folder}", [Deb("nsight-systems-cli", "2025.5.2-1")],
            "nvidia.pub", ORIGIN)
