"""A registry with every kind of image, and the product's `images` command beside a real engine."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.cli.main import main
from agent.images.engine import Engine
from tests.node.nodes import running_engine
from tests.registry.server import Image, RegistryServer, running_registry

Firstlight = Callable[..., tuple[int, Any]]


@dataclass
class Stock:
    """What the registry holds; every layer that is wrong for amd64 is in `foreign`."""

    registry: RegistryServer
    multi: dict[str, Image]
    index: str
    amd64: Image
    arm64: Image
    damaged: Image
    truncated: Image
    liar: Image

    def reference(self, name: str) -> str:
        """Return the reference of an image of the stock."""
        return f"{self.registry.host}/bed/{name}:1"


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stock]:
    """A running registry: multi-arch, single ones, damaged, truncated, torn, and one whose label lies."""
    with running_registry(tmp_path_factory.mktemp("registry")) as registry:
        both = {name: registry.push_image("bed/multi", f"{name}-1", name) for name in ("amd64", "arm64")}
        torn = registry.push_image("bed/torn", "child", "amd64")
        registry.push_index("bed/torn", "1", {"amd64": torn})
        registry.request("DELETE", f"/v2/bed/torn/manifests/{torn.digest}")
        stock = Stock(
            registry, both, registry.push_index("bed/multi", "1", both),
            registry.push_image("bed/only-amd64", "1", "amd64"), registry.push_image("bed/only-arm64", "1", "arm64"),
            registry.push_image("bed/damaged", "1", "amd64"), registry.push_image("bed/truncated", "1", "amd64"),
            registry.push_image("bed/liar", "1", "amd64", program="arm64"),
        )
        file = registry.blob_file(stock.damaged.layers[1])
        file.write_bytes(b"X" * file.stat().st_size)
        file = registry.blob_file(stock.truncated.layers[1])
        file.write_bytes(file.read_bytes()[:100])
        registry.downloads()
        yield stock


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """The Docker Engine of this machine."""
    if os.geteuid() != 0:
        pytest.skip("needs root: a Docker Engine (sudo make test-node)")
    with running_engine():
        yield Engine()


@pytest.fixture
def firstlight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Firstlight:
    """Run `firstlight images …` with settings and state of the test's own; returns (exit code, data)."""
    for name in ("CONFIG", "STATE"):
        monkeypatch.setenv(f"FIRSTLIGHT_{name}", str(tmp_path / name.lower()))

    def run(*words: str) -> tuple[int, Any]:
        code = main(["images", *words, "--profile", "cpu-only", "-o", "json"])
        return code, json.loads(capsys.readouterr().out)["data"]

    return run


@pytest.fixture
def clean_engine(engine: Engine, stock: Stock) -> Iterator[Engine]:
    """The engine; what a test pulled from the stock is removed at its end."""
    yield engine
    for image in engine._json("GET", "/images/json"):
        names = [*(image["RepoTags"] or ()), *(image["RepoDigests"] or ())]
        for name in names:
            if "/bed/" in name and name.startswith("127.0.0.1:"):
                engine.remove_image(name)
