from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.cli.main import main
from agent.machine.gpu import PROBE
from agent.model.errors import Unobservable, UsageError
from agent.model.units import GIB
from agent.smoke.fit.machine import UNIFIED_KEPT_BYTES, observe_room
from agent.smoke.fit.memory import serving, tuning
from agent.smoke.fit.shape import KNOWN, find_shape
from tests.fixtures import FakeMachine
from tests.unit.golden import assert_golden

GOLDEN = Path(__file__).parent / "golden"
LLAMA = {"hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
         "intermediate_size": 14336, "vocab_size": 128256, "max_position_embeddings": 131072}
# What makers state, in billions.
STATED = {"qwen2.5-0.5b": 0.49, "qwen2.5-7b": 7.61, "qwen2.5-72b": 72.7, "llama-3.1-8b": 8.03, "llama-3.1-70b": 70.6,
          "llama-3.1-405b": 405.9, "llama-2-13b": 13.0, "mixtral-8x7b": 46.7, "qwen3-30b-a3b": 30.5, "phi-4": 14.7,
          "qwen3-8b": 8.2, "llama-3.2-1b": 1.24, "mistral-7b": 7.25}


@pytest.fixture(autouse=True)
def screen(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


def fit(capsys, *words):
    code = main(["fit", *words])
    return code, capsys.readouterr()


@pytest.mark.parametrize("name", STATED)
def test_the_parameters_of_known_models_are_what_their_makers_state(name):
    assert abs(KNOWN[name].parameters / 1e9 / STATED[name] - 1) < 0.01


@pytest.mark.parametrize(("text", "name"), [
    ("meta-llama/Llama-3.1-8B-Instruct", "llama-3.1-8b"), ("Meta-Llama-3.1-8B", "llama-3.1-8b"),
    ("Qwen/Qwen2.5-7B-Instruct-AWQ", "qwen2.5-7b"), ("Qwen/Qwen3-30B-A3B-Instruct-2507-FP8", "qwen3-30b-a3b"),
    ("mistralai/Mistral-7B-Instruct-v0.3", "mistral-7b"),
])
def test_names_are_known_as_people_write_them(text, name):
    assert find_shape(text).name == name


def test_a_config_file_gives_the_shape_of_the_known_model(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    for path in (tmp_path, tmp_path / "config.json"):
        assert find_shape(str(path)).parameters == KNOWN["llama-3.1-8b"].parameters


def test_sparse_and_compressed_models_are_counted(tmp_path):
    mixtral = {**LLAMA, "vocab_size": 32000, "num_local_experts": 8}
    (tmp_path / "config.json").write_text(json.dumps({"text_config": mixtral}))
    assert find_shape(str(tmp_path)).parameters == KNOWN["mixtral-8x7b"].parameters
    deepseek = {**LLAMA, "n_routed_experts": 8, "moe_intermediate_size": 512, "kv_lora_rank": 512,
                "qk_rope_head_dim": 64, "first_k_dense_replace": 1, "n_shared_experts": 1}
    (tmp_path / "config.json").write_text(json.dumps(deepseek))
    shape = find_shape(str(tmp_path))
    assert (shape.cached, shape.experts, shape.dense_layers) == (32 * 576, 8, 1)
    assert shape.note


@pytest.mark.parametrize("size", [0.35, 1, 3, 8, 13, 34, 70, 123, 405])
def test_a_bare_size_is_met_within_a_tenth(size):
    assert abs(find_shape(f"{size}B").parameters / 1e9 / size - 1) < 0.1


@pytest.mark.parametrize(("content", "says"), [
    ("{", "cannot be read"), ("[]", "cannot be read"), ("{}", "num_attention_heads"),
    ('{"num_attention_heads": "many"}', "cannot be read"),
])
def test_a_wrong_config_is_a_usage_error_that_says_what(tmp_path, content, says):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(UsageError, match=says):
        find_shape(str(tmp_path))


@pytest.mark.parametrize("text", ["no-such-model", "llama-3.1-8x", "0.001M", "999999B", ""])
def test_what_is_no_model_is_a_usage_error(text):
    with pytest.raises(UsageError):
        find_shape(text)


def test_more_asks_for_more():
    shape = find_shape("8B")
    base = serving(shape, "bf16", context=8192).total
    assert serving(shape, "bf16", context=16384).total > base
    assert serving(shape, "bf16", context=8192, batch=4).total > base
    assert serving(shape, "bf16", context=8192, cache_bytes=1).total < base
    sizes = [serving(shape, name, context=8192).total for name in ("fp32", "bf16", "fp8", "nvfp4", "int4")]
    assert sizes == sorted(sizes, reverse=True)
    methods = [tuning(shape, name, length=2048).total for name in ("full", "full-bf16", "lora", "qlora")]
    assert methods == sorted(methods, reverse=True)


def test_the_answer_for_a_desktop_card(capsys):
    code, said = fit(capsys, "llama-3.1-8b", "--memory", "24G")
    assert code == 2
    assert_golden(said.out, GOLDEN / "fit-24g.txt")


def test_the_answer_for_two_cards_says_on_how_many(capsys):
    code, said = fit(capsys, "llama-3.1-70b", "--memory", "24G", "--gpus", "2")
    assert code == 2
    assert_golden(said.out, GOLDEN / "fit-2x24g.txt")


@pytest.mark.parametrize(("words", "code"), [
    (["8B", "--use", "serve", "--precision", "int4"], 0), (["70B", "--use", "full"], 1), (["8B"], 2),
])
def test_exit_codes_say_all_nothing_some(capsys, words, code):
    assert fit(capsys, *words, "--memory", "24G")[0] == code


def test_every_advice_is_true(capsys):
    """What is said to fit does fit when asked for."""
    _, said = fit(capsys, "llama-3.1-70b", "--memory", "80G", "--context", "131072", "-o", "json")
    uses = {(use["use"], use["precision"]): use for use in json.loads(said.out)["data"]["uses"]}
    tried = 0
    for (use, precision), line in uses.items():
        for advice in line["advice"]:
            words = ["llama-3.1-70b", "--memory", "80G", "--use", use]
            words += ["--precision", precision] if use == "serve" else []
            if advice.startswith("a context of "):
                words += ["--context", advice.split()[3]]
            elif "such devices" in advice:
                words += ["--context", "131072", "--gpus", advice.split()[0]]
            else:
                continue
            tried += 1
            assert fit(capsys, *words)[0] == 0, (words, advice)
    assert tried >= 3


@pytest.mark.parametrize("words", [["--context", "0"], ["--memory", "lots"], ["--batch", "-1"]])
def test_nonsense_is_a_usage_error(capsys, words):
    assert fit(capsys, "8B", *words)[0] == 3


def machine(memory_kb, gpu):
    files = {"/proc/meminfo": f"MemTotal: {memory_kb} kB\nMemAvailable: {memory_kb // 2} kB\n"}
    if gpu is None:
        return FakeMachine(files, folders=("/sys/bus/pci/devices",))
    said = {"count": {"v": 1}, "driver_version": {"v": "580.95"}, "gpus": {"0": gpu}}
    files["/sys/module/nvidia/version"] = "580.95\n"
    return FakeMachine(files, {PROBE: json.dumps(said)}, folders=("/sys/bus/pci/devices",))


def test_unified_memory_keeps_some_for_the_system():
    spark = machine(127_600_748, {"name": {"v": "NVIDIA GB10"}, "memory_bytes": {"e": 3}})
    room = observe_room(spark)
    assert room.unified
    assert room.each == (127_600_748 << 10) - UNIFIED_KEPT_BYTES


def test_a_cards_own_memory_is_what_counts():
    card = {"name": {"v": "NVIDIA GeForce RTX 4090"}, "memory_bytes": {"v": [24 * GIB, 23 * GIB, GIB]}}
    room = observe_room(machine(64_000_000, card))
    assert (room.count, room.unified) == (1, False)
    assert 21 * GIB < room.each < 24 * GIB


def test_a_card_that_refuses_is_unobservable_never_host_memory():
    with pytest.raises(Unobservable, match="not known"):
        observe_room(machine(64_000_000, {"name": {"v": "NVIDIA H200"}, "memory_bytes": {"e": 3}}))


def test_without_a_card_host_memory_is_the_room():
    room = observe_room(machine(32_000_000, None))
    assert "no GPU" in room.words
