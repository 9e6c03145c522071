"""A kept profile is used only where resolving anew would give the same, and saves validation there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from agent.config import files, profiles
from agent.config.kept import KeptProfile
from agent.model.hardware import Hardware
from agent.model.resolved import ResolvedProfile, data_of, from_document, resolve, to_document, with_values
from tests.unit.profiles.machines import BARE

ROOT = Path(__file__).parents[3]
SITE = "extends: mine\nkernel: {sysctl: {values: {vm.swappiness: 7}}}\n"
MINE = "name: mine\nextends: cpu-only\ncontainer: {docker: {daemon: {section: {mapping: [1, {}]}}}}\n"


def write(file: Path, text: str) -> None:
    file.write_text(text)
    file.chmod(0o600)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "etc"
    (folder / "profiles").mkdir(parents=True)
    (folder / "profile.yml").write_text(SITE)
    (folder / "profiles" / "mine.yml").write_text(MINE)
    monkeypatch.setenv("FIRSTLIGHT_CONFIG", str(folder))
    return folder


@pytest.fixture
def file(config: Path, tmp_path: Path) -> Path:
    """The file of what was kept for BARE and the site's own profile."""
    keep(tmp_path / "profile.json")
    return tmp_path / "profile.json"


def resolved(hardware: Hardware, wanted: str | None = None) -> tuple[ResolvedProfile, tuple[Path, ...]]:
    loaded = profiles.choose(hardware, wanted).loaded
    return resolve(loaded.profile, hardware.memory_bytes, loaded.digest), loaded.files


def keep(file: Path, wanted: str | None = None) -> ResolvedProfile:
    kept = KeptProfile(file, write)
    kept.find(BARE, wanted)
    made = resolved(BARE, wanted)
    kept.keep(*made)
    return made[0]


def found(file: Path, hardware: Hardware = BARE, wanted: str | None = None) -> ResolvedProfile | None:
    return KeptProfile(file, write).find(hardware, wanted)


def test_what_is_kept_is_what_would_be_resolved(file: Path) -> None:
    assert found(file) == resolved(BARE)[0]
    assert found(file).profile.kernel.sysctl.values["vm.swappiness"] == 7  # type: ignore[union-attr]


@pytest.mark.parametrize("name", sorted(files.named_files()))
def test_every_shipped_profile_comes_back_whole(name: str) -> None:
    loaded = profiles.load(name)
    made = resolve(loaded.profile, BARE.memory_bytes, loaded.digest)
    again = from_document(json.loads(json.dumps(to_document(made))))
    assert again == made
    assert data_of(again.profile) == loaded.profile.model_dump(mode="json")
    assert again.profile.system.swap.role == "swap"


CHANGES: dict[str, Callable[[Path], object]] = {
    "the site's file": lambda config: (config / "profile.yml").write_text(SITE.replace("7", "8")),
    "the site's file is gone": lambda config: (config / "profile.yml").unlink(),
    "a parent": lambda config: (config / "profiles/mine.yml").write_text(MINE.replace("1", "2")),
    "a parent is gone": lambda config: (config / "profiles/mine.yml").unlink(),
    "one more that might fit": lambda config: (config / "profiles/more.yml").write_text("name: more\n"),
    "no YAML any more": lambda config: (config / "profile.yml").write_text("{"),
    "no text any more": lambda config: (config / "profile.yml").write_bytes(b"\xff"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_after_any_change_of_a_file_nothing_is_found(
    file: Path, config: Path, change: Callable[[Path], object]
) -> None:
    assert found(file) is not None
    change(config)
    assert found(file) is None


def test_another_machine_or_another_wish_is_not_this_one(file: Path) -> None:
    assert found(file, replace(BARE, memory_bytes=BARE.memory_bytes + 1)) is None
    assert found(file, wanted="mine") is None


@pytest.mark.parametrize("damage", [
    lambda text: text[: len(text) // 2], lambda _: "", lambda _: "[]", lambda _: "{}",
    lambda text: json.dumps(json.loads(text) | {"resolved": {}}),
    lambda text: json.dumps(json.loads(text) | {"resolved": {"section": {"profile": 1, "sizes": 2, "digest": ""}}}),
])
def test_a_damaged_file_is_none_and_is_replaced(file: Path, damage: Callable[[str], str]) -> None:
    file.write_text(damage(file.read_text()))
    assert found(file) is None
    assert keep(file) == found(file)


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_not_believed(file: Path, mode: int) -> None:
    file.chmod(mode)
    assert found(file) is None


def test_a_file_of_somebody_else_is_not_believed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: file.stat().st_uid + 1)
    assert (found(file) is None) == (file.stat().st_uid != 0)


def test_a_profile_that_is_made_of_a_file_elsewhere_is_not_kept(config: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.yml").write_text("name: elsewhere\nextends: cpu-only\n")
    keep(tmp_path / "profile.json", str(tmp_path / "elsewhere.yml"))
    (config / "profile.yml").write_text(f"extends: {tmp_path}/elsewhere.yml\n")
    keep(tmp_path / "profile.json")
    assert not (tmp_path / "profile.json").exists()


def test_a_profile_is_not_changed() -> None:
    made = resolved(BARE, "cpu-only")[0]
    with pytest.raises(AttributeError, match="not changed"):
        made.profile.system.swap.enabled = False
    with pytest.raises(AttributeError, match="not changed"):
        del made.profile.system
    assert with_values(made.profile.system.swap, enabled=False).enabled is False
    assert made.profile.system.swap.enabled is True


@pytest.mark.parametrize("folder_is_there", [True, False])
def test_a_second_look_validates_nothing_and_says_the_same(config: Path, tmp_path: Path, folder_is_there: bool) -> None:
    code = ("import sys\nfrom agent.cli.main import main\n"
            "code = main(['check', '--only', 'kernel.taint', '--no-save', '-o', 'json'])\n"
            "print(code, [name for name in ('pydantic', 'yaml') if name in sys.modules], file=sys.stderr)\n")
    state = tmp_path / "state"
    if folder_is_there:
        state.mkdir()
    told = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT,
                           env={**os.environ, "FIRSTLIGHT_STATE": str(state)}) for _ in range(2)]
    loaded = [run.stderr.partition(" ")[2].strip() for run in told]
    assert loaded == ["['pydantic', 'yaml']", "[]" if folder_is_there else "['pydantic', 'yaml']"]
    assert state.is_dir() == folder_is_there
    profile = [json.loads(run.stdout)["data"]["profile"] for run in told]
    assert profile[0] == profile[1]
