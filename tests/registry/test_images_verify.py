"""`images verify` against a real registry: right for every kind of image, and not one layer is downloaded."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from agent.images.catalogue import load_catalogue
from tests.registry.conftest import Firstlight, Stock
from tests.registry.whole_catalogue import shelved_catalogue

pytestmark = [pytest.mark.node, pytest.mark.timeout(300)]
HERE = "linux/amd64"
CASES = [
    ("multi", "linux/amd64", "yes", ""), ("multi", "linux/arm64", "yes", ""),
    ("only-amd64", "linux/amd64", "yes", ""), ("only-arm64", "linux/arm64", "yes", ""),
    ("only-amd64", "linux/arm64", "no", "has it for amd64, not for arm64"),
    ("only-arm64", "linux/amd64", "no", "has it for arm64, not for amd64"),
    ("nowhere", "linux/amd64", "no", "has no such image"), ("torn", "linux/amd64", "no", "is missing there"),
]


@pytest.mark.parametrize(("name", "platform", "answer", "says"), CASES)
def test_the_registry_is_asked_before_anything_is_pulled(
    stock: Stock, firstlight: Firstlight, name: str, platform: str, answer: str, says: str
) -> None:
    code, [found] = firstlight("verify", stock.reference(name), "--platform", platform)
    assert (found["answer"], code) == (answer, 0 if answer == "yes" else 1), found
    assert says in "; ".join(found["says"])
    layers = {layer for image in (*stock.multi.values(), *stock.only.values()) for layer in image.layers}
    assert stock.registry.downloads() & layers == set()


def test_the_platform_asked_about_is_that_of_the_machine(stock: Stock, firstlight: Firstlight, cpu: str) -> None:
    """Nothing on the command line says which CPU it is: a program of that CPU tells the product."""
    for name, image in stock.only.items():
        code, [found] = firstlight("verify", stock.reference(f"only-{name}"))
        assert (code, found["answer"]) == ((0, "yes") if name == cpu else (1, "no"))
        assert stock.registry.downloads() & set(image.layers) == set()


def test_size_and_digest_are_those_of_the_platform_asked_for(stock: Stock, firstlight: Firstlight) -> None:
    for name, image in stock.multi.items():
        _, [found] = firstlight("verify", stock.reference("multi"), "--platform", f"linux/{name}")
        assert (found["digest"], found["size_bytes"]) == (stock.index, image.size_bytes)


def test_a_truncated_layer_is_seen_without_downloading_it(stock: Stock, firstlight: Firstlight) -> None:
    code, [found] = firstlight("verify", stock.reference("truncated-amd64"), "--layers", "--platform", HERE)
    assert (code, found["answer"]) == (1, "no")
    assert "has 100 bytes instead of" in found["says"][0]
    assert stock.registry.downloads() & stock.refused_layers == set()


def test_a_pinned_digest_that_the_registry_lacks_is_refused(stock: Stock, firstlight: Firstlight) -> None:
    pinned = f"{stock.reference('multi')}@sha256:{'0' * 64}"
    assert firstlight("verify", pinned, "--platform", HERE)[0] == 1
    assert firstlight("verify", f"{stock.reference('multi')}@{stock.index}", "--platform", HERE)[0] == 0


def test_a_disk_without_room_is_said_before_the_pull(
    stock: Stock, firstlight: Firstlight, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.images.shelf.Shelf.available_bytes", 1000)
    code, [found] = firstlight("verify", stock.reference("multi"), "--platform", HERE)
    assert code == 1
    assert "are free" in found["says"][0]


def test_a_registry_that_does_not_answer_is_unknown_and_never_good(firstlight: Firstlight) -> None:
    code, [found] = firstlight("verify", "127.0.0.1:1/bed/multi:1", "--platform", HERE)
    assert (code, found["answer"]) == (2, "unknown")


def test_the_whole_catalogue_is_verified_in_two_seconds(
    stock: Stock, firstlight: Firstlight, tmp_path: Path
) -> None:
    """CPU counts with the wall: on a machine that others load, the wall alone says nothing of us."""
    local, times_s, cpu_s = shelved_catalogue(stock.registry, tmp_path / "catalogue.yaml"), [], []
    for _ in range(3):
        begun, used = time.monotonic(), time.process_time()
        _, found = firstlight("verify", "--catalogue", str(local), "--platform", "linux/arm64")
        times_s.append(time.monotonic() - begun)
        cpu_s.append(time.process_time() - used)
    took_s = min(times_s) if os.getloadavg()[0] < 2 * (os.cpu_count() or 1) else min(cpu_s)
    assert len(found) == len(load_catalogue().images)
    refused = {one["reference"].partition("catalogue/")[2] for one in found
               if any("not for arm64" in text for text in one["says"])}
    assert {"pytorch/pytorch:latest", "hiyouga/llamafactory:latest"} <= refused
    assert took_s <= 2
