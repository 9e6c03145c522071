"""What fits a machine, what does not, and what to run instead."""

from __future__ import annotations

import pytest

from agent.images.catalogue import load_catalogue
from agent.images.fit import Host, choose, find_relative, find_replacement, judge_fit, observe_host
from agent.images.reference import parse_reference
from agent.matrix.subject import find_subject
from agent.matrix.tables import Matrix
from agent.model.errors import UsageError
from agent.model.hardware import Hardware, PciGpu
from tests.fixtures import FakeMachine

MATRIX, CATALOGUE = Matrix(), load_catalogue()


def host(architecture: str, card: str = "", driver: str = "") -> Host:
    return Host(architecture, (find_subject(card, MATRIX),) if card else (), driver)


GB10 = host("arm64", "GB10", "580.95.05")
ADA = host("amd64", "RTX 4090", "580.95.05")
OLD = host("amd64", "RTX 4090", "550.54")
VOLTA = host("amd64", "V100", "580.95.05")
BARE = host("amd64")


def answer(name: str, machine: Host) -> str:
    entry = CATALOGUE.find(name)
    assert entry
    return str(judge_fit(entry, machine, MATRIX).answer)


@pytest.mark.parametrize(("name", "machine", "expected"), [
    ("cuda-13", GB10, "yes"), ("cuda-13", ADA, "yes"), ("cuda-13", OLD, "no"), ("cuda-13", VOLTA, "no"),
    ("cuda-13", BARE, "no"), ("pytorch-26.04", GB10, "yes"), ("pytorch-26.04", OLD, "no"), ("pytorch-hub", GB10, "no"),
    ("pytorch-hub", ADA, "unknown"), ("pytorch-25.06", GB10, "no"), ("vllm-26.05", GB10, "yes"),
    ("vllm-26.05", VOLTA, "no"),
    ("vllm-25.11", GB10, "no"), ("vllm-25.11", ADA, "yes"), ("vllm-hub-cu129", OLD, "yes"),
    ("vllm-hub-cu129", VOLTA, "no"), ("vllm-hub-0.10.1", GB10, "no"), ("tensorrt-llm-spark", GB10, "yes"),
    ("tensorrt-llm-spark", ADA, "no"), ("llama-factory-hub", GB10, "no"), ("llama-factory-hub", ADA, "yes"),
    ("llama-factory-hub", host("amd64", "RTX 5090", "580.95.05"), "no"), ("ollama-hub", OLD, "yes"),
    ("ollama-hub", host("amd64", "RTX 4090", "535.1"), "no"), ("firstlight-job", BARE, "yes"),
    ("sglang-hub", GB10, "yes"),
    ("cuda-13", host("amd64", "RTX 4090"), "unknown"),
    ("cuda-13", host("amd64", "ffff", "580.95.05"), "unknown"),
])
def test_each_image_is_judged_by_cpu_card_and_driver(name: str, machine: Host, expected: str) -> None:
    assert answer(name, machine) == expected


def test_what_is_wrong_says_why_and_what_instead() -> None:
    entry = CATALOGUE.find("pytorch-hub")
    fit = judge_fit(entry, GB10, MATRIX)
    assert "amd64 only" in fit.against[0]
    assert fit.instead == "pytorch-26.04"


@pytest.mark.parametrize(("purpose", "machine", "name"), [
    ("cuda", GB10, "cuda-13"), ("cuda", OLD, "cuda-12"), ("cuda", VOLTA, "cuda-12"), ("pytorch", GB10, "pytorch-26.04"),
    ("vllm", OLD, "vllm-hub-cu129"), ("vllm", GB10, "vllm-26.05"),
    ("job", BARE, "firstlight-job"), ("llama-factory", ADA, "llama-factory-hub"),
])
def test_a_purpose_means_the_first_image_that_fits(purpose: str, machine: Host, name: str) -> None:
    found = choose(purpose, CATALOGUE, machine, MATRIX)
    assert found.entry
    assert found.entry.name == name


def test_a_sure_image_goes_before_one_that_may_fit() -> None:
    found = choose("tensorrt-llm", CATALOGUE, GB10, MATRIX)
    assert found.entry
    assert found.entry.name == "tensorrt-llm-spark"


def test_a_purpose_for_which_nothing_fits_says_why_for_each() -> None:
    with pytest.raises(UsageError) as caught:
        choose("cuda", CATALOGUE, BARE, MATRIX)
    assert caught.value.message.count("needs an NVIDIA GPU") == len(CATALOGUE.of("cuda"))


def test_a_word_that_means_nothing_is_refused_and_a_reference_is_taken() -> None:
    with pytest.raises(UsageError):
        choose("pytorhc", CATALOGUE, GB10, MATRIX)
    assert choose("quay.io/a/b:1", CATALOGUE, GB10, MATRIX).entry is None
    assert choose("nvcr.io/nvidia/pytorch:26.04-py3", CATALOGUE, GB10, MATRIX).entry == CATALOGUE.find("pytorch-26.04")


def test_a_replacement_is_the_one_named_or_the_first_that_fits() -> None:
    relative = find_relative(parse_reference("pytorch/pytorch:2.6.0-cuda12.4"), CATALOGUE)
    assert relative
    assert relative.name == "pytorch-hub"
    found = find_replacement(relative, CATALOGUE, GB10, MATRIX)
    assert found
    assert found.name == "pytorch-26.04"
    assert find_replacement(relative, CATALOGUE, BARE, MATRIX) is None


def test_the_host_is_read_from_the_machine() -> None:
    hardware = Hardware("h", "aarch64", "", 1, 1, "debian", "12", "bookworm", "6", "", "none", "",
                        (PciGpu("0000:01:00.0", "2e12", "GB10"),), ())
    seen = observe_host(FakeMachine({"/sys/module/nvidia/version": "580.95.05\n"}), hardware, MATRIX)
    assert (seen.architecture, seen.capabilities, seen.driver) == ("arm64", {"12.1"}, "580.95.05")
    assert observe_host(FakeMachine(), hardware, MATRIX).driver == ""
