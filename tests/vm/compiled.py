"""What a compiler made on a node, taken along into a virtual machine, where each file takes twenty times as long.

DKMS runs there as it would; ccache answers the compiler's calls whose every input is the same.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.node.disposable import Disposable

FOLDER = "/var/cache/bed-ccache"
SETTINGS = f"""cache_dir = {FOLDER}
compiler_check = content
sloppiness = include_file_mtime,include_file_ctime,time_macros
"""
# apt gives maintainer scripts, and so DKMS, a path of its own.
APT_PATH = 'DPkg::Path "/usr/lib/ccache:/usr/sbin:/usr/bin:/sbin:/bin";\n'
INSTALL = ("apt-get update -qq; "
           "DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends ccache >/dev/null")


def keep_compiled(machine: Disposable) -> None:
    """Let a machine remember what its compilers make, when they are called while packages are installed."""
    machine.write("/etc/ccache.conf", SETTINGS)
    machine.sh(f"{INSTALL}; mkdir -p {FOLDER}", timeout_s=1800)
    machine.write("/etc/apt/apt.conf.d/91bed-ccache", APT_PATH)


def save_compiled(machine: Disposable, file: Path) -> None:
    """Write what it remembers into a tar file."""
    with file.open("wb") as archive:
        subprocess.run(machine.entrance(["tar", "-C", FOLDER, "-c", "."]), stdout=archive, check=True, timeout=600)


def load_compiled(machine: Disposable, file: Path) -> None:
    """Let a machine remember what another one has made."""
    keep_compiled(machine)
    with file.open("rb") as archive:
        subprocess.run(machine.entrance(["tar", "-C", FOLDER, "-x"]), stdin=archive, check=True, timeout=1800)


def answered(machine: Disposable) -> int:
    """Return how many calls of a compiler were answered from memory."""
    told = machine.must(["ccache", "--print-stats"])
    found = dict(line.split("\t") for line in told.splitlines())
    return int(found["direct_cache_hit"]) + int(found["preprocessed_cache_hit"])
