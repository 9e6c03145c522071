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
from tests.registry.emulation import CPU, OTHER, become, emulated
from tests.registry.server import Image, RegistryServer, running_registry

Firstlight = Callable[..., tuple[int, Any]]


@dataclass
class Stock:
    """What the registry holds, each for both CPUs: an image of one CPU alone, damaged, truncated, one that lies."""

    registry: RegistryServer
    multi: dict[str, Image]
    index: str
    only: dict[str, Image]
    damaged: dict[str, Image]
    truncated: dict[str, Image]
    liar: dict[str, Image]

    def reference(self, name: str) -> str:
        """Return the reference of an image of the stock."""
        return f"{self.registry.host}/bed/{name}:1"

    @property
    def refused_layers(self) -> set[str]:
        """The layers of all that must not be pulled for its being truncated."""
        return {layer for image in self.truncated.values() for layer in image.layers}


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stock]:
    """A running registry: multi-arch, single ones, damaged, truncated, torn, and some whose label lies."""
    with running_registry(tmp_path_factory.mktemp("registry")) as registry:
        def pushed(kind: str) -> dict[str, Image]:
            return {cpu: registry.push_image(f"bed/{kind}-{cpu}", "1", cpu) for cpu in (CPU, OTHER)}

        both = {cpu: registry.push_image("bed/multi", f"{cpu}-1", cpu) for cpu in (CPU, OTHER)}
        torn = {cpu: registry.push_image("bed/torn", f"{cpu}-1", cpu) for cpu in (CPU, OTHER)}
        registry.push_index("bed/torn", "1", torn)
        for image in torn.values():
            registry.request("DELETE", f"/v2/bed/torn/manifests/{image.digest}")
        liar = {cpu: registry.push_image(f"bed/liar-{cpu}", "1", cpu, program=other)
                for cpu, other in ((CPU, OTHER), (OTHER, CPU))}
        stock = Stock(registry, both, registry.push_index("bed/multi", "1", both), pushed("only"), pushed("damaged"),
                      pushed("truncated"), liar)
        for image in stock.damaged.values():
            file = registry.blob_file(image.layers[1])
            file.write_bytes(b"X" * file.stat().st_size)
        for image in stock.truncated.values():
            file = registry.blob_file(image.layers[1])
            file.write_bytes(file.read_bytes()[:100])
        registry.downloads()
        yield stock


@pytest.fixture(scope="module")
def other_uname(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path | None]:
    """A program `uname` of the other CPU, which runs by user-mode emulation; None where none can."""
    program = tmp_path_factory.mktemp("emulated") / "uname"
    with emulated(OTHER, program) as works:
        yield program if works else None


@pytest.fixture(params=[CPU, OTHER])
def cpu(request: pytest.FixtureRequest, other_uname: Path | None, monkeypatch: pytest.MonkeyPatch) -> str:
    """This machine as either CPU, docker's word: the other one by user-mode emulation."""
    if request.param == OTHER:
        if other_uname is None:
            pytest.skip(f"programs for {OTHER} do not run here: apt install qemu-user-static, and root")
        become(other_uname, monkeypatch)
    return str(request.param)


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
