"""Debian's docker-registry on loopback, and images pushed into it that are made here byte by byte."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import http.client
import io
import json
import re
import shutil
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tests.registry.emulation import uname_program

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"


def digest_of(data: bytes) -> str:
    """Return the digest of bytes, as registries write it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass
class Image:
    """A pushed image: digests of its manifest and layers."""

    digest: str
    layers: list[str]
    size_bytes: int


@dataclass
class RegistryServer:
    """A running registry, reached at `address`; users beside it reach it on loopback. `log`: its access log."""

    port: int
    folder: Path
    log: Path
    address: str = "127.0.0.1"
    login: str = ""
    _seen: int = field(default=0)

    @property
    def host(self) -> str:
        """The host part of references."""
        return f"127.0.0.1:{self.port}"

    def request(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> tuple[int, Any]:
        """Send a request and return (status, headers)."""
        connection = http.client.HTTPConnection(self.address, self.port, timeout=20)
        headers = {"Content-Type": kind} if kind else {}
        if self.login:
            headers["Authorization"] = "Basic " + base64.b64encode(self.login.encode()).decode()
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status, answer.headers

    def push_blob(self, name: str, data: bytes) -> str:
        """Push a blob and return its digest."""
        _, headers = self.request("POST", f"/v2/{name}/blobs/uploads/")
        where, digest = headers["Location"].partition(str(self.port))[2], digest_of(data)
        status, _ = self.request("PUT", f"{where}&digest={digest}", data, "application/octet-stream")
        assert status == 201, status
        return digest

    def push_image(self, name: str, tag: str, architecture: str, *, program: str = "", bytes_more: int = 2000) -> Image:
        """Push an image with two layers: /bin/sh built for `program` (default: its CPU), and some noise.

        The program is a real one: it prints what `uname -m` does.
        """
        layers = [_tar({"bin/sh": uname_program(program or architecture)}),
                  _tar({"noise": Random(f"{name}{architecture}").randbytes(bytes_more)})]
        packed = [gzip.compress(layer, 1, mtime=0) for layer in layers]
        config = json.dumps({"architecture": architecture, "os": "linux", "config": {"Cmd": ["sh"]},
                             "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]},
                             "history": [{"created_by": "bed"}, {"created_by": "bed"}]}).encode()
        pushed = [self.push_blob(name, layer) for layer in packed]
        manifest = {
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": len(config),
                       "digest": self.push_blob(name, config)},
            "layers": [{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": len(data),
                        "digest": digest} for data, digest in zip(packed, pushed, strict=True)],
        }
        return Image(self.push_manifest(name, tag, manifest, MANIFEST), pushed, sum(map(len, packed)))

    def push_manifest(self, name: str, tag: str, manifest: dict[str, Any], kind: str) -> str:
        """Push a manifest under a tag and return its digest."""
        body = json.dumps(manifest).encode()
        status, _ = self.request("PUT", f"/v2/{name}/manifests/{tag}", body, kind)
        assert status == 201, status
        return digest_of(body)

    def push_index(self, name: str, tag: str, images: dict[str, Image]) -> str:
        """Push an index over images of this repository, by architecture; returns its digest."""
        children = [{"mediaType": MANIFEST, "size": 1, "digest": image.digest,
                     "platform": {"architecture": architecture, "os": "linux"}}
                    for architecture, image in images.items()]
        return self.push_manifest(name, tag, {"schemaVersion": 2, "mediaType": INDEX, "manifests": children}, INDEX)

    def blob_file(self, digest: str) -> Path:
        """Return the file in which the registry keeps a blob."""
        plain = digest.partition(":")[2]
        return self.folder / f"docker/registry/v2/blobs/sha256/{plain[:2]}/{plain}/data"

    def downloads(self) -> set[str]:
        """Return the digests of the blobs that anybody downloaded since the last call (HEAD is no download)."""
        time.sleep(0.2)
        text = self.log.read_text()
        new, self._seen = text[self._seen:], len(text)
        return set(re.findall(r'"GET /v2/\S+/blobs/(sha256:[0-9a-f]{64}) ', new))


def _tar(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755
            archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def settings(data: Path, address: str, **more: Any) -> str:
    """Return a registry's configuration (JSON is YAML)."""
    return json.dumps({
        "version": 0.1, "storage": {"filesystem": {"rootdirectory": str(data)}, "delete": {"enabled": True}},
        "http": {"addr": address}, "log": {"level": "error"}} | more)


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running_registry(folder: Path, login: str = "", **more: Any) -> Iterator[RegistryServer]:
    """Start Debian's docker-registry on a free port; it is stopped at the end. `more`: settings of its own."""
    program = shutil.which("docker-registry")
    assert program, "docker-registry is not installed: apt install docker-registry"
    port, log = free_port(), folder / "access.log"
    config = folder / "config.yml"
    config.write_text(settings(folder / "data", f"127.0.0.1:{port}", **more))
    with log.open("wb") as out:
        server = subprocess.Popen([program, "serve", str(config)], stdout=out, stderr=out)
    registry = RegistryServer(port, folder / "data", log, login=login)
    try:
        deadline = time.monotonic() + 15
        while True:
            with contextlib.suppress(OSError):
                if registry.request("GET", "/v2/")[0] == 200:
                    break
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, "docker-registry did not start in 15 s"
            time.sleep(0.1)
        yield registry
    finally:
        server.terminate()
        server.wait(10)
