"""The user-data in the documentation is what cloud-init and our commands take, and installs no stranger's package."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent.cli.options import Parser
from agent.config.profiles import load
from agent.systemd.rendering import FIRST_BOOT

REPOSITORY = Path(__file__).resolve().parents[3]
PINNED = re.compile(r"firstlight @ git\+https://\S+@(COMMIT|[0-9a-f]{40})")
BY_NAME = re.compile(r"""pip,? install,?(?: --?[\w-]+)* ['"]?firstlight(?! @ git\+https://\S+@)\b""")


@pytest.fixture
def user_data() -> dict[str, Any]:
    """The cloud-config in docs/first-boot.md."""
    (text,) = re.findall(r"```yaml\n(#cloud-config\n.*?)```", (REPOSITORY / "docs/first-boot.md").read_text(), re.S)
    data: dict[str, Any] = yaml.safe_load(text)
    return data


def runs(user_data: dict[str, Any], program: str) -> list[list[str]]:
    return [words[1:] for words in user_data["runcmd"] if words[0] == program]


def test_it_holds_what_cloud_init_knows_and_each_command_is_known_here(user_data: dict[str, Any]) -> None:
    assert set(user_data) == {"package_update", "packages", "write_files", "runcmd"}
    assert all(isinstance(word, str) for words in user_data["runcmd"] for word in words)
    known = {"python3", "/opt/firstlight/bin/pip", "/opt/firstlight/bin/firstlight", "systemctl"}
    assert {words[0] for words in user_data["runcmd"]} == known
    assert runs(user_data, "python3") == [["-m", "venv", "/opt/firstlight"]]


def test_its_words_for_firstlight_are_options_we_have(user_data: dict[str, Any]) -> None:
    ((command, *words),) = runs(user_data, "/opt/firstlight/bin/firstlight")
    parser = Parser(prog=command)
    importlib.import_module(f"agent.cli.{command}").add_arguments(parser)
    args = parser.parse_args(words)
    assert (args.at_boot, args.allow_reboot) == (True, True)


def test_the_unit_it_starts_is_the_one_we_write_and_is_not_waited_for(user_data: dict[str, Any]) -> None:
    assert runs(user_data, "systemctl") == [["start", "--no-block", FIRST_BOOT]]


def test_its_profile_is_without_fault(user_data: dict[str, Any], tmp_path: Path) -> None:
    (file,) = user_data["write_files"]
    assert file["path"] == "/etc/firstlight/profile.yml"
    (tmp_path / "profile.yml").write_text(file["content"])
    assert load(str(tmp_path / "profile.yml")).profile.extends == "rtx-workstation"


def test_it_installs_a_named_commit(user_data: dict[str, Any]) -> None:
    (words,) = runs(user_data, "/opt/firstlight/bin/pip")
    assert words[0] == "install"
    assert len(words) == 2
    assert PINNED.fullmatch(words[1])
    assert {"git", "python3-venv"} <= set(user_data["packages"])


def test_nowhere_do_we_tell_anybody_to_install_a_package_by_our_name() -> None:
    """The name is nobody's in the package index: whoever takes it would be root on our users' machines."""
    files = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *(REPOSITORY / "docs").rglob("*.md")]
    files += [file for folder in ("agent", "checks", "tui") for file in (REPOSITORY / folder).rglob("*.py")]
    assert [str(file) for file in files if BY_NAME.search(file.read_text(encoding="utf-8"))] == []
