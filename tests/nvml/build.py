"""Build the stand-in NVML library: every symbol nvidia-ml-py can look up, the ones nvml.c lacks as NOT_SUPPORTED."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
_SYMBOL = re.compile(r'_nvmlGetFunctionPointer\("(\w+)"\)')


def _stubs(source: str) -> str:
    import pynvml

    wanted = set(_SYMBOL.findall(Path(pynvml.__file__).read_text()))
    present = set(re.findall(r"\b(nvml[A-Z]\w+)\(", source))
    present |= set(re.findall(r"^[A-Z0-9_]+\((nvml\w+),", source, re.MULTILINE))
    lines = [f'rc_t {name}(void) {{ rc_t r = enter("{name}"); return r ? r : NOT_SUPPORTED; }}'
             for name in sorted(wanted - present)]
    return "\n".join(lines)


def build(folder: Path, absent: Sequence[str] = ()) -> Path:
    """Compile into `folder` (once per content) and return the directory that holds libnvidia-ml.so.1.

    Symbols in `absent` are not exported: old drivers do not have them, and some tools tell versions by that.
    """
    text = (HERE / "nvml.c").read_text()
    text += "\n/* Generated: symbols the stand-in refuses. */\n" + _stubs(text) + "\n"
    hidden = "".join(f" {name};" for name in sorted(absent))
    exports = f"{{ global: *;{f' local:{hidden}' if hidden else ''} }};\n"
    out = folder / f"nvml-{hashlib.sha256((text + exports).encode()).hexdigest()[:12]}"
    library = out / "libnvidia-ml.so.1"
    if not library.exists():
        out.mkdir(parents=True, exist_ok=True)
        (out / "nvml.c").write_text(text)
        (out / "exports").write_text(exports)
        subprocess.run(
            ["cc", "-O1", "-fPIC", "-shared", "-pthread", "-Wall", "-Wno-misleading-indentation",
             "-Wl,-soname,libnvidia-ml.so.1",
             f"-Wl,--version-script={out / 'exports'}", "-o", str(library) + ".part", str(out / "nvml.c")], check=True)
        Path(str(library) + ".part").rename(library)
    return out


def build_cuda(folder: Path) -> Path:
    """Compile the stand-in CUDA library into `folder` (once per content) and return it."""
    source = HERE / "cuda.c"
    library = folder / f"libcuda-{hashlib.sha256(source.read_bytes()).hexdigest()[:12]}.so"
    if not library.exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cc", "-O1", "-fPIC", "-shared", "-Wall", "-o", f"{library}.part", str(source)], check=True)
        Path(f"{library}.part").rename(library)
    return library
