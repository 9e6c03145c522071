"""A registry that wants a login: it comes from a file or a systemd credential, and is shown nowhere."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.images.credentials import Login
from agent.images.engine import Engine
from tests.registry.conftest import Firstlight
from tests.registry.server import RegistryServer, running_registry

pytestmark = [pytest.mark.node, pytest.mark.timeout(300)]
SECRET = "nvapi-secret"  # noqa: S105
# bcrypt of it
HTPASSWD = "$oauthtoken:$2b$04$NT9JIYYZrQp1BSp.gfGje.DajdoASfQB2lpxwkEd5L.mtei5gr7y2\n"


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    folder = tmp_path_factory.mktemp("private")
    (folder / "htpasswd").write_text(HTPASSWD)
    auth = {"htpasswd": {"realm": "bed", "path": str(folder / "htpasswd")}}
    with running_registry(folder, login=f"$oauthtoken:{SECRET}", auth=auth) as registry:
        for architecture in ("amd64", "arm64"):
            registry.push_image("bed/private", architecture, architecture)
        yield registry


def write_login(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o600)
    return file.parent


def test_without_a_login_access_is_refused_with_a_hint(private: RegistryServer, firstlight: Firstlight) -> None:
    code, [found] = firstlight("verify", f"{private.host}/bed/private:amd64", "--platform", "linux/amd64")
    assert (code, found["answer"]) == (1, "no")
    assert "refuses access (HTTP 401)" in found["says"][0]
    assert "images.credentials" in found["says"][1]


def test_a_key_in_a_file_is_enough_to_verify_and_to_pull(
    private: RegistryServer, engine: Engine, firstlight: Firstlight, tmp_path: Path
) -> None:
    name = f"{private.host}/bed/private:amd64"
    folder = write_login(tmp_path / "logins" / private.host.replace(":", "_"), SECRET + "\n")
    code, rows = firstlight("pull", name, "--platform", "linux/amd64", "--credentials", str(folder))
    assert (code, rows[0]["outcome"]) == (0, "pulled"), rows
    assert SECRET not in json.dumps(rows)
    assert SECRET not in (tmp_path / "state/images.json").read_text()
    engine.remove_image(name)


def test_a_systemd_credential_is_taken_first(
    private: RegistryServer, firstlight: Firstlight, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = private.host.replace(":", "_")
    wrong = write_login(tmp_path / "logins" / host, "wrong")
    good = write_login(tmp_path / "credentials" / f"registry.{host}", SECRET)
    words = ("verify", f"{private.host}/bed/private:amd64", "--platform", "linux/amd64", "--credentials", str(wrong))
    assert firstlight(*words)[0] == 1
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(good))
    assert firstlight(*words)[0] == 0


def test_no_program_is_ever_given_the_secret(
    private: RegistryServer, engine: Engine, firstlight: Firstlight, tmp_path: Path
) -> None:
    """Neither by its words nor by its environment: both can be read by others while it runs."""
    name = f"{private.host}/bed/private:arm64"
    folder = write_login(tmp_path / "logins" / private.host.replace(":", "_"), SECRET)
    login = Login("$oauthtoken", SECRET)
    hidden = (SECRET, login.basic.removeprefix("Basic "), login.for_engine(private.host))
    started: list[str] = []
    watching = [True]

    def watch(event: str, words: tuple[object, ...]) -> None:
        if watching and event in ("subprocess.Popen", "os.posix_spawn", "os.exec", "os.system"):
            started.append(repr(words))

    sys.addaudithook(watch)
    try:
        code, rows = firstlight("pull", name, "--platform", "linux/arm64", "--credentials", str(folder))
    finally:
        watching.clear()
    engine.remove_image(name)
    assert (code, rows[0]["outcome"]) == (0, "pulled"), rows
    assert started
    assert not [line for line in started if any(word in line for word in hidden)]
