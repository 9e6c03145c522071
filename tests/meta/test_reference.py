"""The reference pages say what the code says."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / "docs/reference"


@pytest.fixture
def generate(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("COLUMNS", "100")
    spec = importlib.util.spec_from_file_location("reference_generate", FOLDER / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_pages_are_those_the_code_gives(generate: ModuleType) -> None:
    stale = [name for name, text in generate.pages().items() if (FOLDER / name).read_text() != text]
    assert stale == [], "run: python docs/reference/generate.py"


def test_nothing_else_stands_among_them(generate: ModuleType) -> None:
    kept = {path.name for path in FOLDER.iterdir() if path.is_file()}
    assert kept == {*generate.PAGES, "generate.py"}


def test_every_environment_variable_is_described(generate: ModuleType) -> None:
    source = "".join(path.read_text() for folder in ("agent", "tui") for path in (REPOSITORY / folder).rglob("*.py"))
    read = set(re.findall(r'environ(?:\.get\(|\[)"(FIRSTLIGHT_[A-Z_]+)"', source))
    read = {name for name in read if not name.endswith("_LIBRARY")}  # stand-ins of tests and demo
    assert read == {name for name in generate.ENVIRONMENT if name.startswith("FIRSTLIGHT_")}


def test_the_man_page_has_no_fault() -> None:
    if shutil.which("groff") is None:
        return  # nothing to ask
    done = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-z", str(FOLDER / "firstlight.1")],
                          capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
