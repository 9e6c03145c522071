"""The rows themselves: sources, dates, versions, references, and the one way they are written."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import pytest

from agent.matrix import rows, tables
from agent.matrix.tables import DATA, TABLES, find_row, load_table
from agent.matrix.version import at_least, order, parts
from agent.model.errors import FirstlightError, UsageError

ROWS = [(name, row) for name in TABLES for row in load_table(name)]
CITING = [(name, row) for name, row in ROWS if name != "sources"]
SOURCES = {row.id for row in load_table("sources")}
VERSIONS = ("version", "driver", "bundled_driver", "first", "below", "last", "latest", "cuda", "torch", "vllm",
            "driver_maybe", "driver_sure", "archive_driver", "blackwell_driver", "pypi_cuda", "pypi_cudnn",
            "cuda_first", "capability", "capability_min", "capability_max", "tag_first", "tag_below")


def _ids(found: list[tuple[str, Any]]) -> list[str]:
    return [row.id for _, row in found]


def test_every_file_is_a_table_and_every_table_a_file() -> None:
    assert {path.stem for path in DATA.glob("*.json")} == set(TABLES)
    assert all(load_table(name) for name in TABLES)


@pytest.mark.parametrize("name", TABLES)
def test_a_file_is_written_one_row_a_line(name: str) -> None:
    text = (DATA / f"{name}.json").read_text(encoding="utf-8")
    lines = (f"  {json.dumps(row, ensure_ascii=False)}" for row in json.loads(text))
    assert text == "[\n" + ",\n".join(lines) + "\n]\n"


def test_every_row_has_an_id_of_its_own_by_which_it_is_found() -> None:
    assert [row_id for row_id, times in Counter(_ids(CITING)).items() if times > 1] == []
    assert [row.id for _, row in CITING if find_row(row.id) is not row] == []


def test_every_row_names_sources_that_exist() -> None:
    thread = re.compile(r"[\w.-]+/[\w.-]+#\d+")
    wrong = [(row.id, source) for name, row in CITING for source in row.source or ("",)
             if source not in SOURCES and not (name == "symptoms" and thread.fullmatch(source))]
    assert wrong == []


def test_every_source_is_used() -> None:
    used = {source for _, row in CITING for source in row.source}
    used |= {source for row in load_table("drivers") for broken in row.kernels_broken for source in broken.source}
    assert used & SOURCES == SOURCES


def test_every_row_has_a_date_and_none_is_older_than_a_source_it_rests_on_would_allow() -> None:
    assert [row.id for _, row in ROWS if not re.fullmatch(r"20\d\d(-[01]\d(-[0-3]\d)?)?", row.date)] == []
    dates = {row.id: row.date for row in load_table("sources")}
    early = [row.id for _, row in CITING
             if row.date < max((dates[s] for s in row.source if s in dates and s != "DERIVED"), default="")[:4]]
    assert early == []


@pytest.mark.parametrize("field", VERSIONS)
def test_versions_parse(field: str) -> None:
    given = [getattr(row, field) for _, row in ROWS if getattr(row, field, "")]
    assert given
    assert all(parts(text) for text in given)


def test_capabilities_parse_and_belong_to_one_generation() -> None:
    known = Counter(listed for row in load_table("architectures") for listed in row.capabilities)
    assert max(known.values()) == 1
    used = [row.capability for row in load_table("cards")]
    used += [listed.removesuffix("+PTX") for row in load_table("torch_builds") for listed in row.capabilities]
    used += [listed for name in ("images", "vllm") for row in load_table(name) for listed in row.proven]
    used += [listed.removesuffix("+PTX") for row in load_table("images") for code in row.code
             for listed in code.capabilities]
    assert set(used) <= set(known)


def test_an_image_has_code_only_for_architectures_that_it_exists_for() -> None:
    for row in load_table("images"):
        built = [code.architecture for code in row.code]
        assert len(set(built)) == len(built), row.id
        assert set(built) <= set(row.architectures), row.id


def test_a_card_agrees_with_its_generation() -> None:
    names = {listed: row.name for row in load_table("architectures") for listed in row.capabilities}
    assert [card.id for card in load_table("cards") if card.architecture not in names[card.capability]] == []
    assert {card.modules for card in load_table("cards")} <= {"required", "supported", "unsupported"}
    assert all(at_least(card.driver_sure, card.driver_maybe) for card in load_table("cards"))
    devices = Counter(device for card in load_table("cards") for device in card.pci)
    assert [device for device, times in devices.items() if times > 1 or not re.fullmatch("[0-9a-f]{4}", device)] == []


def test_drivers_are_in_order_and_their_versions_belong_to_their_branch() -> None:
    drivers: tuple[rows.Driver, ...] = load_table("drivers")
    assert [row.branch for row in drivers] == sorted(row.branch for row in drivers)
    assert [order(row.cuda) for row in drivers] == sorted(order(row.cuda) for row in drivers)
    for row in drivers:
        named = [row.first, row.latest, *(broken.fixed for broken in row.kernels_broken),
                 *(fault.version for fault in row.known_faults)]
        assert {parts(version)[0] for version in named if version} == {row.branch}
        assert not (row.first and row.latest) or at_least(row.latest, row.first)


def test_every_reference_to_another_row_holds() -> None:
    torch = {row.version for row in load_table("torch")}
    majors = {row.cuda_major for row in load_table("floors")}
    branches = {row.branch for row in load_table("drivers")}
    assert {row.torch for row in load_table("vllm")} <= torch
    assert {parts(row.version)[0] for row in load_table("cuda")} <= majors
    assert {row.driver_last for row in load_table("architectures") if row.driver_last} <= branches
    assert {branch for row in load_table("systems") for branch in row.driver_branches} <= branches
    cudnn = {row.version for row in load_table("cudnn")}
    pinned = {row.pypi_cudnn for row in load_table("torch") if row.pypi_cudnn and at_least(row.version, "2.1")}
    assert pinned <= cudnn


def test_torch_builds_cover_releases_that_have_them() -> None:
    builds = {(row.version, build.tag) for row in load_table("torch") for build in row.builds}
    for row in load_table("torch_builds"):
        inside = [version for version, tag in builds
                  if tag == row.tag and at_least(version, row.first) and at_least(row.last, version)]
        assert inside, row.id


def test_no_two_torch_builds_speak_of_the_same_release() -> None:
    for row in load_table("torch"):
        for build in row.builds:
            for platform in ("x86_64", "aarch64"):
                speak = [found.id for found in load_table("torch_builds")
                         if (found.tag, found.platform) == (build.tag, platform)
                         and at_least(row.version, found.first) and at_least(found.last, row.version)]
                assert len(speak) <= 1


def test_an_unknown_table_names_those_there_are() -> None:
    with pytest.raises(UsageError, match="no such table") as caught:
        load_table("card")
    assert "cards" in caught.value.hint


@pytest.mark.parametrize("content", ["{", '[{"id": "x"}]', '[{"id": "floor.9", "unknown": 1}]'])
def test_a_broken_file_is_an_error_that_names_it(
    content: str, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("data")
    (folder / "floors.json").write_text(content)
    monkeypatch.setattr(tables, "DATA", folder)
    load_table.cache_clear()
    try:
        with pytest.raises(FirstlightError, match=r"floors\.json"):
            load_table("floors")
    finally:
        load_table.cache_clear()
