"""The estimates against what others have measured and published, in GiB."""

from __future__ import annotations

import statistics

import pytest

from agent.model.units import GIB
from agent.smoke.fit.memory import SERVING_ERROR, TUNING_ERROR, serving, tuning
from agent.smoke.fit.shape import find_shape

# QwenLM/Qwen2.5 docs/source/benchmark/speed_benchmark.rst at 010c37c: transformers on A100 80 GB, batch 1, 2048 new
# tokens after the prompt (which transformers prefills at once), memory as torch allocates it, so without the runtime.
SERVED = [
    ("qwen2.5-0.5b", "bf16", 1, 0.97), ("qwen2.5-0.5b", "bf16", 30720, 2.34),
    ("qwen2.5-1.5b", "bf16", 1, 2.95), ("qwen2.5-1.5b", "bf16", 14336, 4.16), ("qwen2.5-1.5b", "bf16", 30720, 5.62),
    ("qwen2.5-7b", "bf16", 30720, 19.97), ("qwen2.5-7b", "int8", 30720, 14.01), ("qwen2.5-7b", "int4", 30720, 10.98),
    ("qwen2.5-14b", "bf16", 1, 28.08), ("qwen2.5-14b", "bf16", 6144, 29.50), ("qwen2.5-14b", "bf16", 14336, 31.95),
    ("qwen2.5-14b", "bf16", 30720, 36.85), ("qwen2.5-14b", "int8", 1, 16.11), ("qwen2.5-14b", "int8", 30720, 24.88),
    ("qwen2.5-14b", "int4", 1, 9.79), ("qwen2.5-14b", "int4", 30720, 18.57),
    ("qwen2.5-72b", "bf16", 1, 136.20), ("qwen2.5-72b", "bf16", 6144, 140.00), ("qwen2.5-72b", "int8", 1, 72.61),
    ("qwen2.5-72b", "int4", 1, 39.44), ("qwen2.5-72b", "int4", 14336, 46.38),
]
# QwenLM/Qwen recipes/finetune: A100-SXM4-80G, batch 1, gradient checkpointing, adapters of rank 64, GPU memory.
TUNED = [
    ("qwen-1.8b", "lora", 256, 6.7), ("qwen-1.8b", "lora", 2048, 11.0), ("qwen-1.8b", "qlora", 256, 5.8),
    ("qwen-1.8b", "qlora", 2048, 7.8),
    ("qwen-7b", "lora", 256, 20.1), ("qwen-7b", "lora", 2048, 23.8), ("qwen-7b", "lora", 8192, 36.6),
    ("qwen-7b", "qlora", 256, 11.5), ("qwen-7b", "qlora", 2048, 13.9), ("qwen-7b", "qlora", 8192, 23.5),
    ("qwen-14b", "lora", 256, 34.6), ("qwen-14b", "lora", 2048, 37.4), ("qwen-14b", "lora", 8192, 55.2),
    ("qwen-14b", "qlora", 256, 18.7), ("qwen-14b", "qlora", 2048, 19.9), ("qwen-14b", "qlora", 8192, 27.9),
    ("qwen-72b", "qlora", 256, 61.4), ("qwen-72b", "qlora", 8192, 75.6),
    ("qwen-7b", "full", 256, 139.2),
]
# Rules of thumb that others publish, in GB: LLaMA-Factory's table; QLoRA's paper (65B, here Llama 2's 70B, on 48 GB).
RULES = [("7B", "full", 120), ("70B", "full", 1200), ("7B", "full-bf16", 60), ("70B", "full-bf16", 600),
         ("7B", "lora", 16), ("70B", "lora", 160), ("7B", "qlora", 6), ("70B", "qlora", 48)]


def served(name: str, precision: str, prompt: int) -> float:
    """What torch allocates at most: while the prompt is read, or while the last token is written."""
    return serving(find_shape(name), precision, context=prompt + 2048, chunk=prompt, runtime=0).total / GIB


def tuned(name: str, method: str, length: int) -> float:
    return tuning(find_shape(name), method, length=length, rank=64).total / GIB


def error(estimate: float, published: float) -> float:
    return estimate / published - 1


@pytest.mark.parametrize(("name", "precision", "prompt", "published"), SERVED)
def test_serving_is_estimated_within_the_error_we_state(name, precision, prompt, published):
    assert abs(error(served(name, precision, prompt), published)) < SERVING_ERROR[1] + 0.005


@pytest.mark.parametrize(("name", "method", "length", "published"), TUNED)
def test_tuning_is_estimated_within_the_error_we_state(name, method, length, published):
    assert abs(error(tuned(name, method, length), published)) < TUNING_ERROR[1] + 0.005


def test_the_mean_error_over_all_published_measurements_is_what_we_state():
    serve = [abs(error(served(*case[:3]), case[3])) for case in SERVED]
    tune = [abs(error(tuned(*case[:3]), case[3])) for case in TUNED]
    assert len(serve + tune) == 40
    assert statistics.fmean(serve) < SERVING_ERROR[0] + 0.005
    assert statistics.fmean(tune) < TUNING_ERROR[0] + 0.005


@pytest.mark.parametrize(("size", "method", "published_gb"), RULES)
def test_published_rules_of_thumb_agree_within_forty_percent(size, method, published_gb):
    estimate = tuning(find_shape(size), method, length=512, rank=8).total / 1e9
    assert abs(error(estimate, published_gb)) < 0.40


def test_known_weights_of_a_spark_are_met():
    """Llama 3.3 70B in NVFP4 reads 40.6 GB a token on a GB10 (dgx-spark-playbooks PR 91)."""
    shape = find_shape("llama-3.3-70b")
    read_gb = (serving(shape, "nvfp4", context=1).weights - 2 * shape.vocabulary * shape.hidden) / 1e9
    assert abs(error(read_gb, 40.6)) < 0.03
