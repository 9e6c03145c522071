"""Profiles from a git repository, with the very commands and the playbook that docs/fleet.md shows.

Six times ansible-pull: about twenty seconds on a quiet core.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(shutil.which("ssh-keygen") is None or shutil.which("git") is None, reason="needs git and SSH"),
]
REPOSITORY = Path(__file__).resolve().parents[3]
PAGE = (REPOSITORY / "docs/fleet.md").read_text()
BIN = Path(sys.executable).parent
GOOD = {"schema": 1, "name": "lab", "extends": "common"}


@dataclass(frozen=True)
class Lab:
    """A repository of profiles, a machine that pulls from it, and who signs."""

    home: Path

    @property
    def profile(self) -> dict[str, object] | None:
        """The profile the machine has taken."""
        path = self.home / "etc/profile.yml"
        return yaml.safe_load(path.read_text()) if path.exists() else None

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"HOME": str(self.home), "PATH": f"{self.home}:{BIN}:{os.environ['PATH']}",
                             "ANSIBLE_HOME": str(self.home / ".ansible"), "ANSIBLE_LOCALHOST_WARNING": "0",
                             "ANSIBLE_PYTHON_INTERPRETER": sys.executable, "FIRSTLIGHT_CONFIG": str(self.home / "none"),
                             "GIT_CONFIG_NOSYSTEM": "1"}

    def git(self, *words: str) -> str:
        done = subprocess.run(["git", "-C", str(self.home / "repository"), *words], capture_output=True, text=True,
                              check=True, env=self.environment)
        return done.stdout.strip()

    def commit(self, profile: dict[str, object], key: str = "") -> str:
        """Put a profile into the repository, signed by a key, and return the commit."""
        (self.home / "repository/profile.yml").write_text(yaml.safe_dump(profile))
        self.git("add", "-A")
        sign = ["-c", f"user.signingkey={self.home / key}", "commit", "-S"] if key else ["commit", "--no-gpg-sign"]
        self.git(*sign, "-q", "-m", str(profile["name"]))
        return self.git("rev-parse", "HEAD")

    def pull(self, command: str, commit: str = "") -> int:
        """Run a command of the page against this repository."""
        words = command.replace("\\\n", " ").replace("3f0c1d…(full commit)", commit).split()
        words[words.index("-U") + 1] = str(self.home / "repository")
        words[words.index("-d") + 1] = str(self.home / "checkout")
        return subprocess.run([str(BIN / words[0]), *words[1:]], env=self.environment, capture_output=True,
                              check=False, cwd=self.home).returncode


def commands() -> dict[str, str]:
    """Return the page's ansible-pull commands by what they hold the commit to."""
    found = re.findall(r"^    (ansible-pull (?:.*\\\n)*.*)$", PAGE, re.MULTILINE)
    return {"signed" if "--verify-commit" in each else "pinned": each for each in found}


def playbook(home: Path) -> str:
    """Return the page's playbook, with this test's place for the profile."""
    block = re.search(r"^    - name: Take this lab's profile\n(?:(?:    .*)?\n)*", PAGE, re.MULTILINE)
    assert block is not None
    text = textwrap.dedent(block[0])
    assert "dest: /etc/firstlight/profile.yml" in text
    return text.replace("/etc/firstlight", str(home / "etc"))


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    made = Lab(tmp_path)
    for name in ("repository", "etc"):
        (tmp_path / name).mkdir()
    for key in ("known", "stranger"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / key)], check=True)
    (tmp_path / "signers").write_text(f"lab@example.org {(tmp_path / 'known.pub').read_text()}")
    (tmp_path / ".gitconfig").write_text(
        "[user]\nname = Lab\nemail = lab@example.org\n[init]\ndefaultBranch = main\n[gpg]\nformat = ssh\n"
        f'[gpg "ssh"]\nallowedSignersFile = {tmp_path / "signers"}\n')
    (tmp_path / "firstlight").write_text(
        f'#!/bin/sh\ncd {REPOSITORY} && exec {sys.executable} -c "import sys; from agent.cli.main import main; '
        'sys.exit(main())" "$@"\n')
    (tmp_path / "firstlight").chmod(0o755)
    made.git("init", "-q")
    (tmp_path / "repository/site-profile.yml").write_text(playbook(tmp_path))
    return made


def test_a_pinned_commit_is_taken_though_the_branch_has_gone_on(lab: Lab) -> None:
    pinned = lab.commit(GOOD)
    lab.commit(GOOD | {"name": "later"})
    assert lab.pull(commands()["pinned"], pinned) == 0
    assert lab.profile == GOOD


def test_only_a_commit_signed_by_a_known_key_is_taken_and_a_second_try_is_refused_too(lab: Lab) -> None:
    lab.commit(GOOD, "known")
    assert lab.pull(commands()["signed"]) == 0
    assert lab.profile == GOOD
    lab.commit(GOOD | {"name": "bare"})
    assert lab.pull(commands()["signed"]) != 0
    lab.commit(GOOD | {"name": "forged"}, "stranger")
    assert [lab.pull(commands()["signed"]) != 0 for _ in range(2)] == [True, True]
    assert lab.profile == GOOD


def test_a_profile_with_a_fault_does_not_replace_a_good_one(lab: Lab) -> None:
    (lab.home / "etc/profile.yml").write_text(yaml.safe_dump(GOOD))
    assert lab.pull(commands()["pinned"], lab.commit(GOOD | {"name": "bad", "kernal": {}})) != 0
    assert lab.profile == GOOD
