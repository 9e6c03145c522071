from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.config import profiles
from agent.config.layers import merged
from agent.config.listing import render_listing, values
from agent.config.source import Place, Source, load_source

if TYPE_CHECKING:
    from pathlib import Path


def _write(file: Path, text: str) -> Path:
    file.write_text(text)
    return file


def test_mappings_merge_and_lists_are_replaced(tmp_path: Path) -> None:
    parent = _write(tmp_path / "p.yml", "name: p\nsystem: {base: {packages: [a, b], apt_lock_timeout_s: 5}}\n")
    child = _write(tmp_path / "c.yml", "name: c\nextends: p.yml\nsystem:\n  base:\n    packages: [c]\n")
    base = profiles.load_merged(child).profile.system.base
    assert (base.packages, base.apt_lock_timeout_s, parent.exists()) == (["c"], 5, True)


def test_match_and_title_are_not_inherited() -> None:
    loaded = profiles.load("common")
    assert loaded.profile.title
    data, _ = merged([load_source(file) for file in loaded.files])
    child = Source(loaded.files[0], {"name": "x"}, {(): Place("x", 1, 1), ("name",): Place("x", 1, 1)})
    both, places = merged([Source(loaded.files[0], {**data, "match": {"min_gpus": 2}},
                                  {(): Place("p", 1, 1), ("match",): Place("p", 2, 1),
                                   **{(key,): Place("p", 3, 1) for key in data}}), child])
    assert "match" not in both
    assert "title" not in both
    assert ("match",) not in places


def test_every_value_says_which_line_it_came_from(tmp_path: Path) -> None:
    _write(tmp_path / "p.yml",
           "name: p\nkernel:\n  sysctl:\n    values:\n      vm.swappiness: 1\n      kernel.sysrq: 1\n")
    child = _write(tmp_path / "c.yml", "name: c\nextends: p.yml\nkernel: {sysctl: {values: {vm.swappiness: 10}}}\n")
    origins = {item.key: item.origin for item in values(profiles.load_merged(child))}
    assert origins["kernel.sysctl.values.vm.swappiness"] == f"{child}:3"
    assert origins["kernel.sysctl.values.kernel.sysrq"] == f"{tmp_path / 'p.yml'}:6"
    assert origins["system.limits.nofile"] == "default"


def test_a_replaced_mapping_leaves_no_origin_behind(tmp_path: Path) -> None:
    _write(tmp_path / "p.yml", "name: p\ncontainer: {docker: {daemon: {log-opts: {max-size: 1m}}}}\n")
    child = _write(tmp_path / "c.yml", "name: c\nextends: p.yml\ncontainer: {docker: {daemon: {log-opts: none}}}\n")
    loaded = profiles.load_merged(child)
    assert loaded.profile.container.docker.daemon == {"log-opts": "none"}
    assert not [path for path in loaded.places if "max-size" in path]


def test_a_recorded_profile_does_not_say_where_it_was_written() -> None:
    loaded = profiles.from_document(profiles.load("dgx-spark").profile.model_dump(mode="json", by_alias=True), "x.json")
    assert {item.origin for item in values(loaded)} == {"recorded"}
    assert "# recorded" in render_listing(loaded)
    assert "default" not in {line.partition("  # ")[2] for line in render_listing(loaded).splitlines()}


def test_the_listing_names_every_file_of_the_chain() -> None:
    text = render_listing(profiles.load("dgx-spark"))
    assert "dgx-spark.yml < " in text
    assert "system.slice.memory_max_percent: null" in text
    assert "# common.yml:" in text
    assert "# default" in text


def test_the_digest_follows_the_values_and_nothing_else(tmp_path: Path) -> None:
    text = "name: x\nkernel: {sysctl: {values: {vm.swappiness: 1}}}\n"
    one = profiles.load_merged(_write(tmp_path / "a.yml", text))
    two = profiles.load_merged(_write(tmp_path / "b.yml", "# a comment\n" + text))
    other = profiles.load_merged(_write(tmp_path / "c.yml", text.replace("1", "2")))
    assert one.digest == two.digest != other.digest
    assert len(one.digest) == 12


TREES = st.recursive(
    st.integers(), lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=8)


def _source(data: dict[str, object], name: str) -> Source:
    places = {(): Place(name, 1, 1)}

    def walk(value: object, path: tuple[str, ...]) -> None:
        places[path] = Place(name, len(places) + 1, 1)
        if isinstance(value, dict):
            for key, item in value.items():
                walk(item, (*path, key))

    walk(data, ())
    from pathlib import Path

    return Source(Path(name), data, places)


@settings(database=None, deadline=None)
@given(st.dictionaries(st.sampled_from("abc"), TREES), st.dictionaries(st.sampled_from("abc"), TREES))
def test_merging_keeps_a_place_for_exactly_what_is_there(
    old: dict[str, object], new: dict[str, object]
) -> None:
    data, places = merged([_source(old, "old"), _source(new, "new")])
    assert set(places) == set(_source(data, "both").places)
    again, _ = merged([_source(data, "both"), _source(new, "new")])
    assert again == data
