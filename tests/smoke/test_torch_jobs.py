"""The real jobs with a real torch on the CPU: healthy ones hold, and every fault built in is seen."""

from __future__ import annotations

import json
import math
import resource
import subprocess
import sys
from typing import Any

import pytest

from agent.cli.main import main
from tests.smoke.interpreter import injected, ran, torch_python

pytestmark = [pytest.mark.torch, pytest.mark.timeout(320)]

# Each fault and a criterion that must notice it.
LORA = {
    "mask_off": "causal", "attention_zero": "beats_bigram", "wrong_element": "replay_identical", "one_nan": "finite",
    "coarse_products": "merge_equal", "merge_forgets_scale": "merge_equal", "stray_write": "base_frozen",
    "optimizer_idle": "adapters_moved", "constant_data": "not_below_bayes", "low_untrained": "adapters_moved",
    "answer_leaks": "not_below_bayes", "gradient_reversed": "captured", "noise": "replay_identical",
    "lost_adapter": "reload_identical", "late_layers_idle": "adapters_moved", "slow_learning": "captured",
}
CUDA_KERNEL = {
    "plus_one": "exact_float32", "third_product_differs": "repeat_identical", "stuck_bit": "memory_pattern",
    "addresses_alias": "memory_pattern", "convolution_misses_edge": "conv_float32",
    "attention_unscaled": "attention_float32", "mask_ignored": "attention_float32", "kernel_does_nothing": "launch",
    "sum_short": "reduce", "low_precision_sums": "exact_float32", "product_nan": "exact_float32",
}
BANDWIDTH = {
    "clock_not_waiting": "work_scales", "clock_runs_slow": "clocks_agree", "product_skipped": "matmul_right_float32",
    "copy_cut_short": "copy_equal", "vector_wrong": "vector_right", "transfer_flips_bit": "roundtrip_equal",
    "throttles": "sustained",
}


ALL_REDUCE = dict.fromkeys(("one_element_off", "a_rank_is_left_out", "nothing_is_sent"), "sum_exact")
ALL = {"lora": LORA, "cuda_kernel": CUDA_KERNEL, "bandwidth": BANDWIDTH, "all_reduce": ALL_REDUCE}


LORA_PEFT = {"optimizer_idle": "adapters_moved", "attention_zero": "beats_bigram", "stray_write": "base_frozen",
             "merge_forgets_scale": "merge_equal", "lost_adapter": "reload_identical"}


@pytest.fixture(scope="module")
def seen() -> dict[str, dict[str, Any]]:
    """Every job with every fault, one after the other: one start of torch for each job."""
    found = {}
    for job, faults in ALL.items():
        found |= {line["fault"]: line for line in injected(job, *faults, timeout_s=1700)}
    return found


@pytest.mark.timeout(2400)
@pytest.mark.parametrize(("fault", "criterion"), [pair for faults in ALL.values() for pair in faults.items()])
def test_the_fault_is_noticed(seen, fault, criterion):
    assert criterion in seen[fault]["failed"], seen[fault]


def test_no_fault_is_without_its_criterion():
    from tests.smoke.interpreter import REPOSITORY

    for job, known in ALL.items():
        told = subprocess.run([torch_python(), str(REPOSITORY / "tests/smoke/faults.py"), job, "--list"],
                              capture_output=True, text=True, check=True).stdout
        assert set(json.loads(told)) == set(known)


@pytest.mark.timeout(1200)
def test_a_healthy_lora_holds_over_ten_seeds():
    seen = injected("lora", "--seeds", "10", timeout_s=1190)
    assert [(line["fault"], line["failed"], line["error"]) for line in seen] == [
        (f"none, seed {n}", [], None) for n in range(1, 11)]


@pytest.fixture(scope="module")
def peft_ran() -> dict[str, Any]:
    """The job by peft: healthy over three seeds, and with every fault; skips where the interpreter has no peft."""
    probe = subprocess.run([torch_python(), "-c", "import peft, transformers"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("the interpreter with torch has no peft: .build/torch/bin/pip install transformers peft")
    lines = [*injected("lora_peft", "--seeds", "3", timeout_s=600), *injected("lora_peft", *LORA_PEFT, timeout_s=900)]
    return {line["fault"]: line for line in lines}


@pytest.mark.timeout(1600)
def test_lora_by_peft_is_healthy_and_every_fault_is_noticed(peft_ran):
    assert [peft_ran[f"none, seed {seed}"]["failed"] for seed in (1, 2, 3)] == [[], [], []], peft_ran
    missed = {fault: peft_ran[fault] for fault, criterion in LORA_PEFT.items()
              if criterion not in peft_ran[fault]["failed"]}
    assert missed == {}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("job", ["cuda_kernel", "bandwidth", "all_reduce"])
def test_a_healthy_machine_holds_over_ten_seeds(job):
    seen = injected(job, "--seeds", "10", timeout_s=590)
    assert [(line["failed"], line["error"]) for line in seen] == [([], None)] * 10


def test_lora_learns_what_can_be_learned_in_less_than_25_seconds_of_cpu():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code, document = ran("lora.py", "--device", "cpu")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert code == 0
    assert 0.8 <= document["figures"]["captured"] <= 1.02
    assert document["figures"]["loss_last"] < math.log(32) / 2
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 25


@pytest.mark.parametrize("script", ["lora.py", "cuda_kernel.py", "bandwidth.py"])
def test_a_device_that_is_not_there_is_told_and_not_passed(script):
    code, document = ran(script, "--device", "cuda")
    assert code == 4
    assert document["error"]["text"]


def test_firstlight_runs_the_jobs_and_keeps_them(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("FIRSTLIGHT_CONFIG", str(tmp_path / "etc"))
    code = main(["smoke", "cuda-kernel", "lora", "--python", torch_python(), "--threads", "1", "--profile", "cpu-only",
                 "-o", "json"])
    data = json.loads(capsys.readouterr().out)["data"]
    assert (code, data["exit_code"]) == (0, 0)
    assert [(job["job"], job["verdict"]) for job in data["jobs"]] == [("cuda-kernel", "pass"), ("lora", "pass")]
    assert data["jobs"][1]["document"]["cost"]["left"] == 0
    assert main(["smoke", "--history"]) == 0
    assert "of what could be learned" in capsys.readouterr().out


def test_an_interpreter_without_torch_is_unknown(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(tmp_path / "state"))
    assert main(["smoke", "lora", "--python", sys.executable, "--profile", "cpu-only", "--no-save"]) == 2
    assert "no torch" in capsys.readouterr().out
