"""The job `vllm`: serves models of ours in an image or by an interpreter, or measures a server that is there."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from agent import resources
from agent.check import failed, passed, unknown, warned
from agent.machine.gpu import gpu_memory
from agent.model.errors import Unobservable, UsageError
from agent.model.finding import Remedy
from agent.model.gpu import GpuMemory
from agent.model.job import REMOTE
from agent.smoke.busy import find_work
from agent.smoke.document import find_document
from agent.smoke.execution import Bundle, new_name, run_bounded
from agent.smoke.nsys import wrapped
from agent.smoke.places import Place, choose_place, interpreter, launch
from agent.smoke.scripts import SLOW, hinted, judged, sentence
from agent.smoke.session import JobResult, Session
from agent.smoke.speed import judge_weights

if TYPE_CHECKING:
    from agent.check import Outcome
    from agent.model.gpu import Gpu

HEAVY_SHARE = 0.1  # of the memory: lighter models are bound by launches, not by memory
SERVERS = 3
NVFP4_ON = "12.1"


def run_vllm(session: Session) -> list[JobResult]:
    """Serve and prove, on the first GPU that is free or the CPU; with a URL measure what is served there."""
    if session.load.url:
        return [_run(session, Place("local", python=sys.executable), None)]
    gpus = session.gpus
    try:
        image = session.smoke.vllm_image or session.smoke.image
        place = choose_place(session.machine, session.smoke, image, has_gpu=bool(gpus))
        interpreter(place)
    except Unobservable as error:
        return [JobResult(unknown(sentence(error.message), remedy=hinted(error)))]
    if session.load.model and place.kind == "container":
        raise UsageError("smoke: --model names a folder of this machine, which a container does not see",
                         "serve it by an interpreter that has vLLM: --python PATH")
    busy = {gpu.uuid: find_work(gpu, session.machine) for gpu in gpus} if not session.allow_busy else {}
    free = next((gpu for gpu in gpus if not busy.get(gpu.uuid)), None)
    if gpus and free is None:
        return [JobResult(unknown(sentence(busy[gpus[0].uuid]), subject=gpus[0].subject, remedy=Remedy(
            steps=("Run it again when a GPU is free, or all the same with --allow-busy.",))))]
    result = _run(session, place, free)
    gate = judge_nvfp4_gate(result, free)
    return [result, *([gate] if gate else [])]


def _run(session: Session, place: Place, gpu: Gpu | None) -> JobResult:
    """Run the job at a place and judge it."""
    bounds = dataclasses.replace(session.bounds, time_s=session.smoke.serve_limit_s)
    program = (interpreter(place), "-", *session.load.words(), *_device_words(session, gpu),
               "--ready-s", f"{bounds.time_s / SERVERS:g}")
    if session.load.model and not session.load.url:
        program = tuple(str(Path(word).absolute()) if word == session.load.model else word for word in program)
    ready = launch(place, new_name(), bounds, program, gpu=gpu.uuid if gpu else "", threads=session.threads)
    argv = ready.argv if session.load.url else wrapped(ready.argv, session, "vllm", place.kind)
    ended = run_bounded(argv, bounds, env=ready.env, stdin=serving_bundle(), after=ready.after,
                        on_line=session.say)
    what = f"vllm at {session.load.url}" if session.load.url else f"vllm {place.words}"
    result = judged(ended, find_document(ended.out), session, gpu.subject if gpu else "", what,
                    REMOTE if session.load.url else place.kind, bounds)
    if gpu is None or result.outcome.verdict != "pass" or "weights_gbs" not in result.figures:
        return result
    return JobResult(_judged_speed(result.outcome, result.figures["weights_gbs"], gpu), result.figures, result.setting,
                     result.document)


def serving_bundle() -> Bundle:
    """Return the files of the job: the server's and the client's, and the job that trains the adapter."""
    folder = resources.job_scripts()
    files = {"lora.py": folder / "lora.py"}
    files |= {f"serving/{file.name}": file for file in sorted((folder / "serving").glob("*.py"))}
    return Bundle("serving.job", tuple((name, str(file)) for name, file in files.items()))


def _device_words(session: Session, gpu: Gpu | None) -> tuple[str, ...]:
    """Return what the script must know of the device: its memory makes the heavy model."""
    threads = ("--threads", str(session.threads)) if session.threads else ()
    if gpu is None:
        return threads
    words = ("--device", "cuda", "--name", gpu.name or "GPU", "--lora-size", "medium", *threads)
    memory = gpu_memory(gpu, session.machine)
    if not isinstance(memory, GpuMemory):
        return words
    return (*words, "--device-bytes", str(memory.total_bytes), "--heavy-bytes",
            str(int(HEAVY_SHARE * memory.total_bytes)))


def _judged_speed(outcome: Outcome, weights_gbs: float, gpu: Gpu) -> Outcome:
    """Return the outcome with what the rate at which weights are read means on this card."""
    wrong, known = judge_weights(weights_gbs, gpu.name)
    if wrong:
        return failed(f"{gpu.label}: {wrong}.", subject=gpu.subject, seen=outcome.seen, evidence=outcome.evidence,
                      remedy=SLOW)
    note = "" if known else " No figures of such a card are known: recorded, not judged."
    return passed(outcome.summary + note, subject=gpu.subject, seen=outcome.seen, evidence=outcome.evidence)


def judge_nvfp4_gate(result: JobResult, gpu: Gpu | None) -> JobResult | None:
    """Return what is known of NVFP4 models with the vLLM that ran, on a card where it depends on that; else None."""
    version = str(result.document.get("device", {}).get("vllm", ""))
    if gpu is None or not version or capability_of(gpu) != NVFP4_ON:
        return None
    from agent.matrix.serving import find_release
    from agent.matrix.tables import Matrix

    release = version.partition("+")[0]
    row = find_release(Matrix(), release)
    works = row.nvfp4_on_12_1 if row else ""
    subject, source = f"{gpu.subject} NVFP4", f"row {row.id}" if row else "no row"
    steps = Remedy(steps=("Take an image with vLLM 0.20 or newer, built for CUDA 13: firstlight images list",))
    if works == "works":
        return JobResult(passed(f"NVFP4 models run on this card with vLLM {release} ({source}).", subject=subject))
    if works == "fails":
        return JobResult(failed(f"NVFP4 models with experts fail on this card with vLLM {release} ({source}).",
                                subject=subject, remedy=steps))
    say = warned if works == "doubtful" else unknown
    return JobResult(say(f"Whether NVFP4 models run on this card with vLLM {release} is doubtful ({source}).",
                         subject=subject, remedy=steps))


def capability_of(gpu: Gpu) -> str:
    """Return a GPU's compute capability as `12.1`; empty when it is not known."""
    seen = gpu.numbers("compute_capability", 2)
    return ".".join(map(str, seen)) if isinstance(seen, tuple) else ""
