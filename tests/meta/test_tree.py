"""What is shipped is what is kept, and nothing of the machine it was written on is in it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SHIPPED = ("agent/", "checks/", "tui/", "playbooks/", "images/")


def kept_files() -> list[str]:
    """Return the files git keeps or would keep, relative to the repository."""
    if shutil.which("git") is None or not (REPOSITORY / ".git").exists():
        pytest.skip("needs git and a checkout")
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    return sorted({name for name in listed.split("\0") if name and (REPOSITORY / name).is_file()})


def in_the_wheel(name: str) -> str:
    """Return where a kept file stands in the wheel."""
    moved = name.startswith(("playbooks/", "images/"))
    return f"agent/_data/{name}" if moved else name


def test_the_wheel_holds_exactly_what_git_keeps(tmp_path: Path) -> None:
    expected = {in_the_wheel(name) for name in kept_files() if name.startswith(SHIPPED)}
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
                   cwd=REPOSITORY, check=True, capture_output=True, timeout=100)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        members = {name for name in wheel.namelist() if ".dist-info/" not in name}
    beside = {name for name in members if ".data/" in name}
    assert [name.partition(".data/")[2] for name in beside] == ["data/share/man/man1/firstlight.1"]
    members -= beside
    assert members - expected == set()
    assert expected - members - {"agent/_data/images/.gitkeep"} == set()


def test_nothing_of_the_writers_machine_is_kept() -> None:
    words = {str(REPOSITORY), socket.gethostname()}
    found = [
        (name, word) for name in kept_files() for word in words
        if len(word) > 7 and word.encode() in (REPOSITORY / name).read_bytes()
    ]
    assert found == []


def test_names_say_what_a_module_is() -> None:
    vague = {"utils", "helpers", "common", "base", "manager", "misc"}
    modules = [Path(name) for name in kept_files() if name.endswith(".py") and name.startswith(SHIPPED)]
    assert [str(path) for path in modules if path.stem in vague] == []
