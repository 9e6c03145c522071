"""The estimates against what others have measured and published, in GiB: what they were fitted to, and the rest.

The error we state is that of the cases held out. They were added after the formulas, which have not been touched for
them since.
"""

from __future__ import annotations

import itertools
import statistics

import pytest

from agent.model.units import GIB
from agent.smoke.fit import memory
from agent.smoke.fit.memory import HELD_OUT, SERVING_ERROR, TUNING_ERROR, serving, tuning
from agent.smoke.fit.shape import find_shape

# QwenLM/Qwen2.5 docs/source/benchmark/speed_benchmark.rst at 010c37c: transformers on A100 80 GB, batch 1, 2048 new
# tokens after the prompt (which transformers prefills at once), memory as torch allocates it, so without the runtime.
SERVED_FITTED = [
    ("qwen2.5-0.5b", "bf16", 1, 0.97), ("qwen2.5-0.5b", "bf16", 30720, 2.34),
    ("qwen2.5-1.5b", "bf16", 1, 2.95), ("qwen2.5-1.5b", "bf16", 14336, 4.16), ("qwen2.5-1.5b", "bf16", 30720, 5.62),
    ("qwen2.5-7b", "bf16", 30720, 19.97), ("qwen2.5-7b", "int8", 30720, 14.01), ("qwen2.5-7b", "int4", 30720, 10.98),
    ("qwen2.5-14b", "bf16", 1, 28.08), ("qwen2.5-14b", "bf16", 6144, 29.50), ("qwen2.5-14b", "bf16", 14336, 31.95),
    ("qwen2.5-14b", "bf16", 30720, 36.85), ("qwen2.5-14b", "int8", 1, 16.11), ("qwen2.5-14b", "int8", 30720, 24.88),
    ("qwen2.5-14b", "int4", 1, 9.79), ("qwen2.5-14b", "int4", 30720, 18.57),
    ("qwen2.5-72b", "bf16", 1, 136.20), ("qwen2.5-72b", "bf16", 6144, 140.00), ("qwen2.5-72b", "int8", 1, 72.61),
    ("qwen2.5-72b", "int4", 1, 39.44), ("qwen2.5-72b", "int4", 14336, 46.38),
]
# QwenLM/Qwen2.5 docs/source/getting_started/speed_benchmark.md at ac72724: the same of Qwen3 on an H20 96 GB with newer
# software; MiB by prompt (PROMPTS). GPTQ is int8, AWQ int4.
PROMPTS = (1, 6144, 14336, 30720)
SERVED_HELD_OUT = {
    ("qwen3-0.6b", "bf16"): (1394, 2066, 2963, 4755), ("qwen3-0.6b", "fp8"): (1217, 1943, 2839, 4632),
    ("qwen3-0.6b", "int8"): (986, 1658, 2554, 4347),
    ("qwen3-1.7b", "bf16"): (3412, 4213, 5109, 6902), ("qwen3-1.7b", "fp8"): (2726, 3462, 4359, 6151),
    ("qwen3-1.7b", "int8"): (2229, 2901, 3798, 5590),
    ("qwen3-4b", "bf16"): (7973, 8860, 10012, 12317), ("qwen3-4b", "fp8"): (5281, 6144, 7297, 9611),
    ("qwen3-4b", "int4"): (2915, 3881, 5151, 7742),
    ("qwen3-8b", "bf16"): (15947, 16811, 17963, 20267), ("qwen3-8b", "fp8"): (9323, 10187, 11340, 13644),
    ("qwen3-8b", "int4"): (6177, 7113, 8409, 11001),
    ("qwen3-14b", "bf16"): (28402, 29495, 30775, 33336), ("qwen3-14b", "fp8"): (16012, 16972, 18253, 20813),
    ("qwen3-14b", "int4"): (9962, 11020, 12438, 15323),
    ("qwen3-32b", "bf16"): (62751, 64583, 66632, 70728), ("qwen3-32b", "fp8"): (33379, 34915, 36963, 41060),
    ("qwen3-32b", "int4"): (19109, 20795, 23105, 27718),
    ("qwen3-30b-a3b", "bf16"): (58462, 59037, 59806, 61342), ("qwen3-30b-a3b", "fp8"): (30296, 30872, 31641, 33177),
}
# QwenLM/Qwen README, Quantization/Performance: A100 80 GB, 2048 new tokens, GPU memory with the runtime.
SERVED_WITH_RUNTIME = [
    ("qwen-1.8b", "bf16", 4.23), ("qwen-1.8b", "int8", 3.48), ("qwen-1.8b", "int4", 2.91), ("qwen-7b", "bf16", 16.99),
    ("qwen-7b", "int8", 11.20), ("qwen-7b", "int4", 8.21), ("qwen-14b", "bf16", 30.15), ("qwen-14b", "int8", 18.81),
    ("qwen-14b", "int4", 13.01), ("qwen-72b", "bf16", 144.69), ("qwen-72b", "int8", 81.27), ("qwen-72b", "int4", 48.86),
]
# QwenLM/Qwen recipes/finetune: A100-SXM4-80G, batch 1, gradient checkpointing, adapters of rank 64, GPU memory.
TUNED_FITTED = [
    ("qwen-7b", "lora", 256, 20.1), ("qwen-7b", "lora", 2048, 23.8), ("qwen-7b", "lora", 8192, 36.6),
    ("qwen-7b", "qlora", 256, 11.5), ("qwen-7b", "qlora", 2048, 13.9), ("qwen-7b", "qlora", 8192, 23.5),
    ("qwen-7b", "full", 256, 139.2),
]
TUNED_HELD_OUT = [
    ("qwen-1.8b", "lora", 256, 6.7), ("qwen-1.8b", "lora", 2048, 11.0), ("qwen-1.8b", "qlora", 256, 5.8),
    ("qwen-1.8b", "qlora", 2048, 7.8), ("qwen-14b", "lora", 256, 34.6), ("qwen-14b", "lora", 2048, 37.4),
    ("qwen-14b", "lora", 8192, 55.2), ("qwen-14b", "qlora", 256, 18.7), ("qwen-14b", "qlora", 2048, 19.9),
    ("qwen-14b", "qlora", 8192, 27.9), ("qwen-72b", "qlora", 256, 61.4), ("qwen-72b", "qlora", 8192, 75.6),
]
# pytorch/torchtune README at 0031bfb: batch 2 of 2048, rank 8, torch.compile; its loss is computed in pieces.
IN_PIECES = [("llama-3.1-8b", "lora", 16.2), ("llama-3.1-8b", "qlora", 7.4)]
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


def errors_of_serving() -> list[float]:
    plain = [error(served(*case, prompt), mib / 1024) for case, row in SERVED_HELD_OUT.items()
             for prompt, mib in zip(PROMPTS, row, strict=True)]
    whole = [error(serving(find_shape(name), precision, context=2049, chunk=1).total / GIB, published)
             for name, precision, published in SERVED_WITH_RUNTIME]
    return plain + whole


def errors_of_tuning(cases: list[tuple[str, str, int, float]]) -> list[float]:
    return [error(tuned(*case[:3]), case[3]) for case in cases]


def mean_and_largest(errors: list[float]) -> tuple[float, float]:
    sizes = [abs(one) for one in errors]
    return round(statistics.fmean(sizes), 2), round(max(sizes), 2)


def test_the_errors_we_state_are_those_of_the_measurements_held_out():
    serve, tune = errors_of_serving(), errors_of_tuning(TUNED_HELD_OUT)
    assert (len(serve), len(tune)) == HELD_OUT
    assert mean_and_largest(serve) == SERVING_ERROR
    assert mean_and_largest(tune) == TUNING_ERROR


def test_the_constants_of_tuning_are_those_that_fit_one_model_best(monkeypatch):
    """And the other models, on which the error is stated, had no say in them."""
    ours, tried = (memory.TRAIN_SLACK, memory.LOGITS), {}
    for slack, logits in itertools.product([1 + step / 50 for step in range(11)], (4, 6, 8, 10, 12)):
        monkeypatch.setattr(memory, "TRAIN_SLACK", slack)
        monkeypatch.setattr(memory, "LOGITS", logits)
        tried[slack, logits] = statistics.fmean(map(abs, errors_of_tuning(TUNED_FITTED)))
    assert ours == min(tried, key=tried.__getitem__)


def test_what_was_fitted_is_met_better_than_what_was_not():
    fitted = [error(served(*case[:3]), case[3]) for case in SERVED_FITTED]
    assert mean_and_largest(fitted) == (0.02, 0.08)
    assert statistics.fmean(map(abs, errors_of_tuning(TUNED_FITTED))) < TUNING_ERROR[0]


@pytest.mark.parametrize(("name", "method", "published"), IN_PIECES)
def test_a_trainer_that_computes_its_loss_in_pieces_is_overestimated(name, method, published):
    """So a no is not the last word there; docs/smoke.md says so."""
    estimate = tuning(find_shape(name), method, length=2048, batch=2, rank=8).total / GIB
    assert 1.2 < estimate / published < 2.5


@pytest.mark.parametrize(("size", "method", "published_gb"), RULES)
def test_published_rules_of_thumb_agree_within_forty_percent(size, method, published_gb):
    estimate = tuning(find_shape(size), method, length=512, rank=8).total / 1e9
    assert abs(error(estimate, published_gb)) < 0.40


def test_known_weights_of_a_spark_are_met():
    """Llama 3.3 70B in NVFP4 reads 40.6 GB a token on a GB10 (dgx-spark-playbooks PR 91)."""
    shape = find_shape("llama-3.3-70b")
    read_gb = (serving(shape, "nvfp4", context=1).weights - 2 * shape.vocabulary * shape.hidden) / 1e9
    assert abs(error(read_gb, 40.6)) < 0.03
