"""The stand-in NVML library in use: choose a profile, add a fault, ask through the real probe."""

from __future__ import annotations

import functools
import os
import re
import shutil
from pathlib import Path

import pytest

from tests.nvml.build import build, build_cuda

HERE = Path(__file__).parent
NAME = "libnvidia-ml.so.1"
PROFILES = {path.stem: path for path in sorted((HERE / "profiles").glob("*.conf"))}
FAULTS = {path.stem: path for path in sorted((HERE / "faults").glob("*.conf"))}


class StandIn:
    """A profile file that the library reads; `write` and `add` change it, also while a process runs.

    `folder` is where the dynamic linker finds the library; `use` puts the one there that exports what the profile's
    driver has.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "lib"
        self.folder.mkdir()
        self.profile = folder / "nvml.conf"
        self.trace = folder / "nvml.trace"
        self.environment = {
            "FIRSTLIGHT_NVML_LIBRARY": str(self.folder / NAME),
            "FIRSTLIGHT_NVML_PROFILE": str(self.profile),
        }

    def use(self, name: str, *faults: str) -> StandIn:
        """Take a profile by name, with faults by name appended."""
        absent = re.findall(r"^absent\.(\w+)", PROFILES[name].read_text(), re.MULTILINE)
        (self.folder / "new").symlink_to(library_folder(tuple(absent)) / NAME)
        (self.folder / "new").replace(self.folder / NAME)
        return self.write("\n".join(path.read_text() for path in (PROFILES[name], *map(FAULTS.get, faults)) if path))

    def write(self, text: str) -> StandIn:
        """Replace the profile in one step: readers see the old text or the new."""
        partial = self.profile.with_suffix(".partial")
        partial.write_text(text)
        partial.replace(self.profile)
        return self

    def add(self, *lines: str) -> StandIn:
        """Append lines: later ones win."""
        return self.write(self.profile.read_text() + "\n" + "\n".join(lines) + "\n")

    def value(self, key: str, default: str = "") -> str:
        """Return the last value of a key in the profile."""
        pairs = (line.partition("=") for line in self.profile.read_text().splitlines() if not line.startswith("#"))
        return {name.strip(): value.strip() for name, _, value in pairs}.get(key, default)


@functools.cache
def library_folder(absent: tuple[str, ...] = ()) -> Path:
    """Return the folder of the built library; skips where there is no C compiler."""
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler (packages gcc and libc6-dev) for the stand-in NVML library")
    return build(_cache(), absent)


@functools.cache
def cuda_library() -> Path:
    """Return the built stand-in CUDA library."""
    library_folder()
    return build_cuda(_cache())


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "firstlight-tests"


def base_of(fault: str) -> str:
    """Return the profile that a fault belongs to: its first line says `# on: NAME`."""
    return FAULTS[fault].read_text().partition("\n")[0].removeprefix("# on:").strip()
