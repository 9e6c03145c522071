"""A tag is held to the digest it was first pulled with, and it is told when its registry has another one by now."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.images.engine import Engine
from tests.registry.conftest import Firstlight, Stock
from tests.registry.emulation import CPU

pytestmark = [pytest.mark.node, pytest.mark.timeout(300)]


def held(engine: Engine, name: str) -> str:
    """Return the digest under which an image is here; empty when it is not."""
    found = engine.find_image(name)
    return found["RepoDigests"][0].partition("@")[2] if found else ""


def test_a_tag_that_moved_is_told_and_pulled_only_when_renewed(
    stock: Stock, clean_engine: Engine, firstlight: Firstlight, tmp_path: Path
) -> None:
    name = stock.reference("moving")
    old = stock.registry.push_image("bed/moving", "1", CPU)
    assert firstlight("verify", name)[0] == 0
    assert not (tmp_path / "state/images.json").exists()
    firstlight("pull", name)
    [first] = json.loads((tmp_path / "state/images.json").read_text())["first_digests"]
    assert (first["name"], first["digest"]) == (name, old.digest)
    assert firstlight("verify", name)[0] == 0

    new = stock.registry.push_image("bed/moving", "1", CPU, bytes_more=3000)
    code, [told] = firstlight("verify", name)
    assert (code, told["answer"], told["digest"]) == (2, "unknown", new.digest)
    assert old.digest in told["says"][0]
    assert f"firstlight images pull --renew {name}" in told["says"][0]
    assert firstlight("pull", name)[1][0]["outcome"] == "here"
    assert held(clean_engine, name) == old.digest

    assert firstlight("pull", name, "--renew")[1][0]["outcome"] == "pulled"
    assert held(clean_engine, name) == new.digest
    assert firstlight("verify", name)[0] == 0


def test_what_somebody_else_put_under_the_name_is_replaced_by_what_was_first_seen(
    stock: Stock, clean_engine: Engine, firstlight: Firstlight
) -> None:
    name = stock.reference("replaced")
    old = stock.registry.push_image("bed/replaced", "1", CPU)
    firstlight("pull", name)
    stock.registry.push_image("bed/replaced", "1", CPU, bytes_more=3000)
    for _ in clean_engine.pull(name[:-2], "1", f"linux/{CPU}"):
        pass
    assert held(clean_engine, name) != old.digest
    assert firstlight("pull", name)[1][0]["outcome"] == "pulled"
    assert held(clean_engine, name) == old.digest


def test_a_digest_that_the_registry_no_longer_has_is_refused_unless_it_is_here(
    stock: Stock, clean_engine: Engine, firstlight: Firstlight
) -> None:
    name = stock.reference("gone")
    old = stock.registry.push_image("bed/gone", "1", CPU)
    firstlight("pull", name)
    stock.registry.request("DELETE", f"/v2/bed/gone/manifests/{old.digest}")
    stock.registry.push_image("bed/gone", "1", CPU, bytes_more=3000)
    assert firstlight("pull", name)[1][0]["outcome"] == "here"
    clean_engine.remove_image(name)
    code, [row] = firstlight("pull", name)
    assert (code, row["outcome"]) == (1, "refused")
    assert "--renew" in row["error"]
    assert firstlight("pull", name, "--renew")[0] == 0


def test_an_image_that_was_here_already_is_held_too_and_a_named_digest_is_the_users_own_affair(
    stock: Stock, clean_engine: Engine, firstlight: Firstlight, tmp_path: Path
) -> None:
    name = stock.reference("before")
    image = stock.registry.push_image("bed/before", "1", CPU)
    for _ in clean_engine.pull(name[:-2], "1", f"linux/{CPU}"):
        pass
    firstlight("pull", name)
    firstlight("pull", f"{stock.reference('multi')}@{stock.index}")
    found = json.loads((tmp_path / "state/images.json").read_text())
    assert [one["name"] for one in found["first_digests"]] == [name]
    assert found["first_digests"][0]["digest"] == image.digest
    assert [one["reference"] for one in found["images"]] == [f"{stock.reference('multi')}@{stock.index}"]
