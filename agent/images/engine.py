"""The Docker Engine's own interface (its socket), as far as images need it. Nothing is passed by argv."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import socket
import urllib.parse
from typing import TYPE_CHECKING, Any

from agent.model.errors import FirstlightError

if TYPE_CHECKING:
    from collections.abc import Iterator

SOCKET = "/run/docker.sock"
STALL_S = 120.0  # the engine reports on a pull many times a second; this long without a word it hangs
HEAD_BYTES = 4096


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def socket_path() -> str:
    """Return the engine's socket. Raises FirstlightError when DOCKER_HOST names another machine's."""
    given = os.environ.get("DOCKER_HOST", "")
    if given and not given.startswith("unix://"):
        raise FirstlightError(f"DOCKER_HOST is {given}; images are pulled by this machine's engine alone",
                              "unset DOCKER_HOST")
    return given.removeprefix("unix://") or SOCKET


class Engine:
    """An engine behind a socket. Methods raise FirstlightError with the engine's own words."""

    def __init__(self, path: str | None = None) -> None:
        self.path = path or socket_path()

    @contextlib.contextmanager
    def _open(self, method: str, path: str, query: dict[str, str], body: Any = None, *, timeout_s: float = 30.0,
              headers: dict[str, str] | None = None) -> Iterator[http.client.HTTPResponse]:
        connection = _UnixConnection(self.path, timeout_s)
        text = None if body is None else json.dumps(body)
        try:
            connection.request(method, f"{path}?{urllib.parse.urlencode(query)}" if query else path, text,
                               {"Content-Type": "application/json", **(headers or {})})
            yield connection.getresponse()
        except FileNotFoundError as error:
            raise FirstlightError(f"Docker does not run: there is no {self.path}",
                                  "start it: systemctl start docker") from error
        except PermissionError as error:
            raise FirstlightError(f"{self.path}: permission denied",
                                  "use sudo, or let an administrator add you to group docker") from error
        except TimeoutError as error:
            raise EngineSilentError(f"Docker has not said anything for {timeout_s:g} s") from error
        except (OSError, http.client.HTTPException) as error:
            raise EngineSilentError(f"the connection to Docker broke: {error}") from error
        finally:
            connection.close()

    def _json(self, method: str, path: str, body: Any = None, *, missing_ok: bool = False, **query: str) -> Any:
        with self._open(method, path, query, body) as answer:
            raw = answer.read()
        try:
            value = json.loads(raw) if raw.strip() else None
        except ValueError as error:
            raise FirstlightError(f"Docker answers {path} with no JSON") from error
        if answer.status == 404 and missing_ok:
            return None
        if answer.status >= 400:
            said = value.get("message") if isinstance(value, dict) else raw.decode(errors="replace")
            raise FirstlightError(f"Docker: {said}")
        return value

    def find_image(self, name: str) -> dict[str, Any] | None:
        """Return an image as the engine shows it, None when it has none of that name."""
        found = self._json("GET", f"/images/{_quoted(name)}/json", missing_ok=True)
        return dict(found) if found else None

    def pull(self, name: str, version: str, platform: str, login: str = "") -> Iterator[dict[str, Any]]:
        """Pull; yields the engine's reports, an `error` among them. `version`: tag or digest; `login`: header."""
        headers = {"X-Registry-Auth": login} if login else {}
        query = {"fromImage": name, "tag": version, "platform": platform}
        with self._open("POST", "/images/create", query, timeout_s=STALL_S, headers=headers) as answer:
            for line in answer:
                if line.strip():
                    report = json.loads(line)
                    yield {"error": report["message"]} if "message" in report else report

    def tag(self, image: str, name: str, tag: str) -> None:
        """Give an image a name."""
        self._json("POST", f"/images/{_quoted(image)}/tag", repo=name, tag=tag)

    def remove_image(self, name: str) -> None:
        """Take a name from an image; the layers go with its last name. Never by force."""
        self._json("DELETE", f"/images/{_quoted(name)}", missing_ok=True)

    def containers_of(self, image: str) -> list[str]:
        """Return the names of the containers, running or not, that were made from an image or one on top of it."""
        found = self._json("GET", "/containers/json", all="1", filters=json.dumps({"ancestor": [image]}))
        return [str(one["Names"][0]).lstrip("/") for one in found]

    @contextlib.contextmanager
    def unstarted(self, image: str) -> Iterator[str]:
        """Make a container that is never started, to look into an image; it is removed at the end."""
        body = {"Image": image, "Entrypoint": ["/firstlight-never-runs"], "NetworkDisabled": True}
        made = str(self._json("POST", "/containers/create", body)["Id"])
        try:
            yield made
        finally:
            self._json("DELETE", f"/containers/{made}", force="1", v="1")

    def find_file(self, container: str, path: str) -> tuple[str, bytes] | None:
        """Return (link target, first 4 KiB) of a file in a container; None when it is not there or no file."""
        with self._open("GET", f"/containers/{container}/archive", {"path": path}) as answer:
            if answer.status != 200:
                answer.read()
                return None
            stat = json.loads(base64.b64decode(answer.headers["X-Docker-Container-Path-Stat"]))
            if stat.get("linkTarget"):
                return str(stat["linkTarget"]), b""
            start = answer.read(512 + HEAD_BYTES)
        regular = start[156:157] in (b"0", b"\0")
        return ("", start[512:]) if regular else None


class EngineSilentError(FirstlightError):
    """The engine stopped answering; the same question may be asked again."""


def _quoted(name: str) -> str:
    return urllib.parse.quote(name, safe="/:@")
