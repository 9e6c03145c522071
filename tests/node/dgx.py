"""What makes a node look like a DGX Spark to us: release files, NVIDIA's sources and pins, the vendor's driver.

Texts after readings of live machines: DGX OS 7 is Ubuntu 24.04 with driver 580 and CUDA 13.0 from NVIDIA's sources.
"""

from __future__ import annotations

from tests.node.disposable import Disposable

_FILES = {
    "/etc/dgx-release": 'DGX_NAME="DGX Spark"\nDGX_PRETTY_NAME="NVIDIA DGX Spark"\nDGX_SWBUILD_VERSION="7.2.3"\n'
                        'DGX_OTA_VERSION="7.5.0"\n',
    "/etc/fastos-release": 'FASTOS_VERSION="1.91.51"\n',
    "/etc/os-release": 'PRETTY_NAME="Ubuntu 24.04.3 LTS"\nID=ubuntu\nVERSION_ID="24.04"\nVERSION_CODENAME=noble\n'
                       "ID_LIKE=debian\n",
    "/etc/apt/preferences.d/cuda-compute-repo-lowpri": "".join(
        f"Package: {names}\nPin: release l=NVIDIA CUDA\nPin-Priority: -1\n\n"
        for names in ("*nvidia*driver*", "nvidia-fabricmanager* nvidia-imex*", "nvidia-persistenced", "*nsight*")),
    "/etc/apt/preferences.d/nvidia-spark-repo": "Package: *\nPin: release l=spark\nPin-Priority: 990\n",
    "/etc/docker/daemon.json": '{"runtimes": {"nvidia": {"path": "nvidia-container-runtime", "args": []}}, '
                               '"features": {"cdi": true}}\n',
    "/usr/local/cuda-13.0/bin/nvcc": "#!/bin/sh\necho release 13.0\n",
}


def dress(machine: Disposable) -> None:
    """Give a node the marks of a DGX Spark. No package of NVIDIA's is installed."""
    machine.sh("rm -f /etc/os-release; mkdir -p /etc/apt/sources.list.d")
    for path, text in _FILES.items():
        machine.write(path, text)
    machine.sh("chmod 755 /usr/local/cuda-13.0/bin/nvcc")
