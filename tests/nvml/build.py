"""Build the stand-in NVML library: every symbol nvidia-ml-py can look up, the ones nvml.c lacks as NOT_SUPPORTED."""

from __future__ import annotations

import hashlib
import re
import subprocess
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


def build(folder: Path) -> Path:
    """Compile into `folder` (once per content) and return the directory that holds libnvidia-ml.so.1."""
    text = (HERE / "nvml.c").read_text()
    text += "\n/* Generated: symbols the stand-in refuses. */\n" + _stubs(text) + "\n"
    out = folder / f"nvml-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    library = out / "libnvidia-ml.so.1"
    if not library.exists():
        out.mkdir(parents=True, exist_ok=True)
        (out / "nvml.c").write_text(text)
        subprocess.run(
            ["cc", "-O1", "-fPIC", "-shared", "-pthread", "-Wall", "-Wno-misleading-indentation",
             "-Wl,-soname,libnvidia-ml.so.1", "-o", str(library) + ".part", str(out / "nvml.c")], check=True)
        Path(str(library) + ".part").rename(library)
    return out
