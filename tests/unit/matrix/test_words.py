"""What people write: wants, cards, versions."""

from __future__ import annotations

import pytest

from agent.machine.pci import NAMES
from agent.matrix.ask import Want, parse_tag, parse_version, parse_want
from agent.matrix.serving import takes_python
from agent.matrix.subject import find_subject, near_cards
from agent.matrix.tables import Matrix
from agent.matrix.wheels import find_torch
from agent.model.errors import UsageError

MATRIX = Matrix()


@pytest.mark.parametrize(("text", "want"), [
    ("torch", Want("torch")), ("torch==2.2+cu121", Want("torch", "2.2", "cu121")), ("torch=2.2", Want("torch", "2.2")),
    ("Torch==2.10@pypi", Want("torch", "2.10", from_pypi=True)), ("vllm==0.6.6.post1", Want("vllm", "0.6.6.post1")),
    ("driver==580.95.05", Want("driver", "580.95.05")), ("nvfp4", Want("nvfp4")),
    ("nvcr.io/nvidia/pytorch:25.11-py3", Want("image", "nvcr.io/nvidia/pytorch:25.11-py3")),
])
def test_a_want_is_read_and_written_back(text: str, want: Want) -> None:
    assert parse_want(text) == want
    assert parse_want(str(want)) == want


@pytest.mark.parametrize("text", ["", "torch==", "torch==2..1", "torch==2.", "cuda13", "driver", "kernel", "python",
                                  "cuda==13.0+cu130", "torch==2.9+cu128@pypi", "driver==58", "tensorflow==2"])
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_want(text)


def test_build_tags_and_versions() -> None:
    assert (parse_tag("cu121"), parse_tag("cu130")) == ("12.1", "13.0")
    with pytest.raises(UsageError):
        parse_tag("cu12")
    assert (parse_version("driver", "580"), parse_version("driver", "")) == ("580", "")
    with pytest.raises(UsageError, match=r"--cuda 13\.x"):
        parse_version("cuda", "13.x")


@pytest.mark.parametrize(("text", "card"), [
    ("4090", "card.rtx-4090"), ("RTX4090", "card.rtx-4090"), ("GeForce RTX 4090", "card.rtx-4090"),
    ("4080", "card.rtx-4080"), ("3090", "card.rtx-3090"), ("10de:2684", "card.rtx-4090"), ("0x2684", "card.rtx-4090"),
    ("DGX Spark", "card.gb10"), ("gb10", "card.gb10"), ("H100-PCIe", "card.h100-pcie"), ("l40s", "card.l40s"),
    ("L4", "card.l4"), ("a6000", "card.rtx-a6000"), ("H200", "card.h200-sxm"), ("Tesla V100-SXM2-16GB", "card.v100"),
])
def test_a_card_is_found_by_what_people_call_it(text: str, card: str) -> None:
    assert find_subject(text, MATRIX).rows == (card,)


@pytest.mark.parametrize(("device", "name"), NAMES.items())
def test_a_card_is_the_same_by_its_pci_id_and_by_the_drivers_name(device: str, name: str) -> None:
    by_id, by_name = find_subject(device, MATRIX), find_subject(name, MATRIX)
    assert not by_id.rows or by_id.rows == by_name.rows
    assert not by_name.rows or by_name.rows == by_id.rows


@pytest.mark.parametrize("text", ["8.9", "sm_89", "sm89"])
def test_a_capability_is_all_its_cards(text: str) -> None:
    found = find_subject(text, MATRIX)
    assert found.capability == "8.9"
    assert set(found.rows) == {card.id for card in MATRIX.cards if card.capability == "8.9"}
    assert found.modules == "supported"


def test_a_capability_without_cards_is_known_by_its_generation() -> None:
    assert find_subject("5.2", MATRIX).rows == ("arch.5.0",)
    assert find_subject("99.9", MATRIX).rows == ()
    assert find_subject("4090.", MATRIX).capability == "8.9"


def test_words_that_fit_several_generations_are_refused_with_their_names() -> None:
    with pytest.raises(UsageError) as caught:
        find_subject("RTX", MATRIX)
    assert "RTX 4090" in caught.value.hint


def test_near_names_are_offered() -> None:
    assert "RTX 4090" in near_cards("RTX 4099", MATRIX)
    assert near_cards("Voodoo", MATRIX) == ()


@pytest.mark.parametrize(("specifier", "fits", "not_these"), [
    ("<3.14,>=3.10", ("3.10", "3.13"), ("3.9", "3.14")), (">=3.8", ("3.8", "3.15"), ("3.7",)),
])
def test_a_python_specifier(specifier: str, fits: tuple[str, ...], not_these: tuple[str, ...]) -> None:
    assert all(takes_python(specifier, python) for python in fits)
    assert not any(takes_python(specifier, python) for python in not_these)


def test_an_installed_torch_is_found_by_its_version_but_not_anothers_build() -> None:
    found = find_torch("2.9.1+cu128", MATRIX)
    assert found is not None
    assert found.id == "torch.2.9.1"
    assert find_torch("2.9.0a0+145a3a7bda.nv25.10", MATRIX) is None
    assert find_torch("2.99.0", MATRIX) is None
