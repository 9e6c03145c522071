"""The smoke jobs, in the order in which a machine is proven: each needs what the one before has shown."""

from __future__ import annotations

import functools
from difflib import get_close_matches
from typing import TYPE_CHECKING

from agent.model.errors import UsageError
from agent.smoke.scripts import run_all_reduce, run_nvcc, run_torch
from agent.smoke.serving import run_vllm
from agent.smoke.session import Job, JobResult, Session
from agent.smoke.visibility import run_container, run_nvidia_smi

if TYPE_CHECKING:
    from collections.abc import Iterable


def _lora_words(session: Session, on_gpu: bool) -> tuple[str, ...]:
    """Return size and type as the profile has them; without a GPU the smallest, in the one type a CPU is quick in."""
    if not on_gpu:
        return ("--size", "small", "--dtype", "float32")
    return ("--size", session.smoke.lora_size, "--dtype", session.smoke.lora_dtype)


def _torch(job: str, *, measured: bool = False, lora: bool = False) -> functools.partial[list[JobResult]]:
    script = job.replace("-", "_") + ".py"
    return functools.partial(run_torch, job=job, script=script, measured=measured, words=_lora_words if lora else None)


JOBS = {
    "nvidia-smi": Job(
        "nvidia-smi on the host",
        "The driver answers and shows the same GPUs as the bus, by UUID.", run_nvidia_smi),
    "container": Job(
        "GPUs in containers",
        "A new container gets every GPU, and running ones have not lost theirs (a daemon-reload takes them away).",
        run_container),
    "nvcc": Job(
        "nvcc compiles and runs a kernel",
        "Compiler, driver and card go together: code built for this very card runs and is right.", run_nvcc),
    "cuda-kernel": Job(
        "A kernel runs in the framework, and is right",
        "torch.cuda.is_available() is true on cards whose kernels cannot run. Products are exact whole numbers, so "
        "one wrong bit shows.", _torch("cuda-kernel")),
    "bandwidth": Job(
        "How fast it multiplies and moves data",
        "A card can be healthy and slow: stuck clocks, a narrow link, a slow memory state show here alone.",
        _torch("bandwidth", measured=True)),
    "all-reduce": Job(
        "All GPUs add up together",
        "Links between the cards and NCCL work: sums over all cards are exact, at a measured rate.", run_all_reduce),
    "lora": Job(
        "A small adapter learns what can be learned",
        "Training works end to end: the loss reaches what the data allow, the base stays untouched, the adapter "
        "reloads and merges.", _torch("lora", lora=True)),
    "lora-peft": Job(
        "The same by transformers and peft",
        "The libraries people tune with agree with this torch, where they are installed: learned, saved, merged.",
        _torch("lora-peft")),
    "vllm": Job(
        "A server answers right, and how fast",
        "vLLM serves a model whose every answer is known, and the adapter that lora trains, to the last token; "
        "latency and throughput agree with the server's own count. --url measures a server that is there.", run_vllm),
}


def chosen_jobs(names: Iterable[str]) -> dict[str, Job]:
    """Return the jobs by name, all when none is named, always in their own order. Raises UsageError."""
    wanted = tuple(names)
    for name in wanted:
        if name not in JOBS:
            near = get_close_matches(name.replace("_", "-"), JOBS, n=1)
            raise UsageError(f"smoke: there is no job {name!r}",
                             f"did you mean {near[0]}?" if near else f"jobs: {', '.join(JOBS)}")
    return {name: job for name, job in JOBS.items() if not wanted or name in wanted}
