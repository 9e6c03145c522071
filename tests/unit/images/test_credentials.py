"""Logins come from files that nobody else may read, and are never shown."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest

from agent.images.credentials import Login, find_login
from agent.model.errors import FirstlightError


def write(file: Path, text: str, mode: int = 0o600) -> Path:
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    file.chmod(mode)
    return file


def test_a_bare_key_is_ngcs_and_a_colon_separates_a_user(tmp_path: Path) -> None:
    write(tmp_path / "nvcr.io", "nvapi-123\n")
    write(tmp_path / "127.0.0.1_5000", "ada:pass:word\n")
    assert find_login("nvcr.io", str(tmp_path), {}) == Login("$oauthtoken", "nvapi-123")
    assert find_login("127.0.0.1:5000", str(tmp_path), {}) == Login("ada", "pass:word")
    assert find_login("docker.io", str(tmp_path), {}) is None


def test_systemds_credential_goes_first(tmp_path: Path) -> None:
    write(tmp_path / "nvcr.io", "old")
    write(tmp_path / "cred/registry.nvcr.io", "new", 0o440)
    found = find_login("nvcr.io", str(tmp_path), {"CREDENTIALS_DIRECTORY": str(tmp_path / "cred")})
    assert found == Login("$oauthtoken", "new")


@pytest.mark.parametrize(("text", "mode", "says"), [
    ("key", 0o644, "others may read"), ("key", 0o640, "others may read"), ("", 0o600, "must hold one line"),
    ("a\nb", 0o600, "must hold one line"),
])
def test_a_file_that_cannot_be_used_is_refused_without_its_content(tmp_path: Path, text, mode, says) -> None:
    write(tmp_path / "nvcr.io", text, mode)
    with pytest.raises(FirstlightError, match=says) as caught:
        find_login("nvcr.io", str(tmp_path), {})
    assert "key" not in caught.value.message


def test_links_and_pipes_are_not_followed_or_waited_for(tmp_path: Path) -> None:
    write(tmp_path / "real", "key")
    (tmp_path / "nvcr.io").symlink_to(tmp_path / "real")
    os.mkfifo(tmp_path / "quay.io", 0o600)
    for host in ("nvcr.io", "quay.io"):
        with pytest.raises(FirstlightError):
            find_login(host, str(tmp_path), {})


def test_a_secret_is_in_no_text() -> None:
    login = Login("ada", "s3cret")
    assert "s3cret" not in f"{login} {login!r}"
    assert login.masked(f"401 for s3cret and {login.basic}") == "401 for *** and Basic ***"
    assert json.loads(base64.urlsafe_b64decode(login.for_engine("h")))["password"] == "s3cret"  # noqa: S105
