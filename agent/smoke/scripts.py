"""The jobs that are scripts: run on every GPU (or the CPU), judged by what they print."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from agent import resources
from agent.check import Outcome, failed, not_applicable, passed, unknown, warned
from agent.model.errors import Unobservable
from agent.model.finding import Evidence, Remedy
from agent.model.resolved import with_values
from agent.smoke.busy import find_work
from agent.smoke.document import figures_of, find_document, judge_broken, judge_criteria
from agent.smoke.execution import Bundle, new_name, run_bounded
from agent.smoke.nsys import wrapped
from agent.smoke.places import choose_place, interpreter, launch
from agent.smoke.session import JobResult, Session
from agent.smoke.speed import Speed, judge_speed, render_figures

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.model.errors import FirstlightError
    from agent.smoke.execution import Bounds, Ended
    from agent.smoke.places import Place

Words = tuple[str, ...]
BESIDE = {"lora_peft.py": ("lora.py",)}  # what a script imports
SLOW = Remedy(steps=(
    "See whether clocks or power are held down: firstlight check --only gpu",
    "On a GB10 or after a power failure: shut down, unplug the power for a minute, start again.",
    "If the figure is the new normal (other driver, other limit): keep a new first day with --new-baseline.",
))


def run_torch(session: Session, *, job: str, script: str, words: Callable[[Session, bool], Words] | None = None,
              measured: bool = False) -> list[JobResult]:
    """Run a torch script once for every GPU, or on the CPU where there is none; a busy GPU is left alone."""
    gpus = session.gpus
    try:
        place = choose_place(session.machine, session.smoke, session.smoke.image, has_gpu=bool(gpus))
        python = interpreter(place)
    except Unobservable as error:
        return [JobResult(unknown(sentence(error.message), remedy=hinted(error)))]
    found = []
    for gpu in gpus or (None,):
        if gpu is not None and not session.allow_busy and (work := find_work(gpu, session.machine)):
            found.append(JobResult(unknown(sentence(work), subject=gpu.subject, remedy=Remedy(
                steps=("Run it again when the GPU is free, or all the same with --allow-busy.",)))))
            continue
        more = words(session, gpu is not None) if words else ()
        program = (python, "-", "--device", "cuda" if gpu else "cpu", *more)
        once = functools.partial(_once, session, place, job, script, program, gpu.subject if gpu else "",
                                 gpu.uuid if gpu else "")
        found.append(_patient(session, once, job, gpu.subject, gpu.name, gpu.label) if gpu and measured else once())
    return found


def run_all_reduce(session: Session) -> list[JobResult]:
    """Let all GPUs add up what each holds; needs two."""
    gpus = session.gpus
    if len(gpus) < 2:
        return [JobResult(not_applicable("there are no two GPUs"))]
    if not session.allow_busy and (work := next(filter(None, (find_work(gpu, session.machine) for gpu in gpus)), "")):
        return [JobResult(unknown(sentence(work)))]
    try:
        place = choose_place(session.machine, session.smoke, session.smoke.image, has_gpu=True)
        program = (interpreter(place), "-", "--device", "cuda", "--ranks", str(len(gpus)))
    except Unobservable as error:
        return [JobResult(unknown(sentence(error.message), remedy=hinted(error)))]
    once = functools.partial(_once, session, place, "all-reduce", "all_reduce.py", program, "", "all")
    return [_patient(session, once, "all-reduce", "", gpus[0].name, f"{len(gpus)} GPUs")]


def _once(session: Session, place: Place, job: str, script: str, program: Words, subject: str,
          gpu: str) -> JobResult:
    """Run a script once, on the GPU of this UUID (`all`, empty: none), and judge what holds on any device."""
    bounds, name = session.bounds, new_name()
    ready = launch(place, name, bounds, program, gpu=gpu, threads=session.threads)
    argv = wrapped(ready.argv, session, job, place.kind)
    ended = run_bounded(argv, bounds, env=ready.env, stdin=program_of(script), after=ready.after, on_line=session.say)
    document = find_document(ended.out)
    return judged(ended, document, session, subject, f"{job} {place.words}", place.kind)


def program_of(script: str) -> str | Bundle:
    """Return what the interpreter is given: the script's file, or with those it stands beside."""
    folder = resources.job_scripts()
    if script not in BESIDE:
        return str(folder / script)
    return Bundle(script.removesuffix(".py"), tuple((name, str(folder / name)) for name in (script, *BESIDE[script])))


def judged(ended: Ended, document: dict[str, Any] | None, session: Session, subject: str, what: str,
           kind: str, bounds: Bounds | None = None) -> JobResult:
    """Return the result of a script that has ended."""
    outcome = judge_broken(ended, bounds or session.bounds, document, subject, what)
    document = document or {}
    if outcome is None:
        outcome = judge_criteria(document, subject, what)
    figures = figures_of(document)
    if outcome is None:
        shown = render_figures(figures)
        outcome = passed(f"All {len(document['checks'])} criteria hold on {device_words(document)}"
                         f"{f': {shown}' if shown else ''}.", subject=subject, seen=shown,
                         evidence=[Evidence(what, (*document.get("table", ()),
                                                    f"{ended.wall_s:.1f} s, {ended.cpu_s:.1f} s of CPU"))])
    settings = {key: value for key, value in document.get("settings", {}).items() if key != "seed"}
    setting = f"{kind} {document.get('device', {}).get('name', '')} {settings}" if document else kind
    cost = {"wall_s": ended.wall_s, "cpu_s": ended.cpu_s, "host_memory_bytes": ended.peak_memory_bytes,
            "left": ended.left, "how": ended.how}
    return JobResult(outcome, figures, setting, {**document, "place": what, "cost": cost})


def _patient(session: Session, once: Callable[[], JobResult], job: str, subject: str, card: str,
             label: str) -> JobResult:
    """Run it again while it is slow, up to the profile's passes; complain only when every pass was slow."""
    best, wrong, speed = once(), "", Speed()
    if best.outcome.verdict != "pass":
        return best
    for number in range(2, session.smoke.passes + 2):
        first_day = {}
        if session.history is not None:
            first_day = session.history.first_day(session.hostname, job, subject, best.setting)
        speed = judge_speed(best.figures, card, first_day, session.smoke.tolerance_percent)
        if speed.good:
            note = "" if speed.known else " No figures of such a card are known: recorded, not judged."
            return JobResult(_noted(best.outcome, note), best.figures, best.setting, best.document)
        wrong = "; ".join((*speed.impossible, *speed.low, *speed.fallen))
        if number > session.smoke.passes:
            break
        session.say(f"{job}: pass {number} of {session.smoke.passes}, because {wrong}")
        again = once()
        if again.outcome.verdict != "pass":
            return again
        best = again if speed.impossible else _better(best, again)
    say = failed if speed.impossible or speed.low else warned
    text = f"{label} in {session.smoke.passes} passes: {wrong}."
    outcome = say(text, subject=subject, seen=render_figures(best.figures), evidence=best.outcome.evidence,
                  remedy=SLOW)
    return JobResult(outcome, best.figures, best.setting, best.document)


def _noted(outcome: Outcome, note: str) -> Outcome:
    return passed(outcome.summary + note, subject=outcome.subject, seen=outcome.seen, evidence=outcome.evidence)


def _better(one: JobResult, two: JobResult) -> JobResult:
    """Return the later result with the better figure of each kind."""
    figures = {name: max(value, one.figures.get(name, value)) for name, value in two.figures.items()}
    return JobResult(two.outcome, figures, two.setting, two.document)


def run_nvcc(session: Session) -> list[JobResult]:
    """Compile and run a kernel: in the CUDA image when it is here, else with this machine's nvcc."""
    gpus = session.gpus
    if not gpus:
        return [JobResult(not_applicable("there is no NVIDIA GPU to run a kernel on"))]
    if not session.allow_busy and (work := next(filter(None, (find_work(gpu, session.machine) for gpu in gpus)), "")):
        return [JobResult(unknown(sentence(work)))]
    local = with_values(session.smoke, python="/bin/sh")
    try:
        place = choose_place(session.machine, local, session.smoke.cuda_image, has_gpu=True)
    except Unobservable as error:
        return [JobResult(unknown(sentence(error.message)))]
    ready = launch(place, new_name(), session.bounds, ("/bin/sh", "-s"), gpu="all")
    ended = run_bounded(ready.argv, session.bounds, env={**ready.env, "PATH": _path(place)}, after=ready.after,
                        stdin=str(resources.job_scripts() / "nvcc.sh"), on_line=session.say)
    what = "nvcc " + (place.words if place.kind == "container" else "of this machine")
    return [judged(ended, find_document(ended.out), session, "", what, place.kind)]


def _path(place: Place) -> str:
    """Return the PATH of the command: with the toolkit's folder where it is local."""
    plain = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return plain if place.kind == "container" else f"/usr/local/cuda/bin:{plain}"


def device_words(document: dict[str, Any]) -> str:
    """Return `NVIDIA H200 (torch 2.11, CUDA 13.0)`."""
    about = document.get("device", {})
    versions = ", ".join(f"{label} {about[key]}" for key, label in (("torch", "torch"), ("cuda", "CUDA"))
                         if about.get(key))
    return f"{about.get('name', 'this device')}{f' ({versions})' if versions else ''}"


def hinted(error: FirstlightError) -> Remedy | None:
    """Return what an error advises."""
    return Remedy(steps=(error.hint,)) if error.hint else None


def sentence(text: str) -> str:
    """Return a text as a sentence."""
    return f"{text[0].upper()}{text[1:].rstrip('.')}." if text else text
