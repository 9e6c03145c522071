"""The jobs that compare who sees which GPU: nvidia-smi on the host, in a new container, in the running ones."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent.check import failed, not_applicable, passed, unknown
from agent.machine.docker_images import observe_gpu_containers
from agent.matrix.explanation import explain_text
from agent.model.errors import Missing, Unobservable
from agent.model.finding import Evidence, Remedy
from agent.model.resolved import with_values
from agent.smoke.document import last_lines
from agent.smoke.execution import new_name, run_bounded
from agent.smoke.places import choose_place, launch
from agent.smoke.session import JobResult, Session

if TYPE_CHECKING:
    from agent.check import Outcome
    from agent.machine.api import Completed

QUERY = ("nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader")
TIMEOUT_S = 30.0
UUID = re.compile(r"^(GPU|MIG)-[0-9a-f-]{8,}$", re.MULTILINE)


def run_nvidia_smi(session: Session) -> list[JobResult]:
    """Ask nvidia-smi on the host; it must name the GPUs that the bus and NVML show."""
    if not session.cards.pci:
        return [JobResult(not_applicable("there is no NVIDIA GPU on the PCI bus"))]
    try:
        done = session.machine.run(QUERY, timeout_s=TIMEOUT_S, ok=None)
    except Missing:
        return [JobResult(failed("nvidia-smi is not installed.", expected="nvidia-smi names every GPU"))]
    except Unobservable as error:
        return [JobResult(unknown(f"{error.message}."))]
    expected = {gpu.uuid for gpu in session.gpus if gpu.uuid}
    return [JobResult(judge_answer(done, expected, "nvidia-smi", on_bus=len(session.cards.pci)))]


def judge_answer(done: Completed, expected: set[str], what: str, *, on_bus: int = 0, subject: str = "") -> Outcome:
    """Return whether an nvidia-smi that has ended named the GPUs that are expected, by UUID."""
    seen = {match.group(0) for match in UUID.finditer(done.out)}
    lines = last_lines(done.out + "\n" + done.err)
    evidence = [Evidence(what, lines)]
    if done.code != 0:
        explained = next(iter(explain_text(done.out + done.err)), None)
        cause = f": {explained.title}. {explained.cause}" if explained else f" with exit code {done.code}."
        return failed(f"{what} failed{cause}", subject=subject, evidence=evidence,
                      remedy=Remedy(steps=explained.steps) if explained else None)
    wanted = max(len(expected), on_bus)
    if expected - seen or (on_bus and len(seen) < on_bus):
        gone = ", ".join(sorted(expected - seen)) or f"{on_bus - len(seen)} that the PCI bus shows"
        return failed(f"{what} does not show every GPU: {gone} missing.", subject=subject,
                      seen=f"{len(seen)} GPUs", expected=f"{wanted} GPUs", evidence=evidence)
    if seen - expected and expected:
        return failed(f"{what} shows GPUs that the host does not: {', '.join(sorted(seen - expected))}.",
                      subject=subject, evidence=evidence)
    return passed(f"{what} shows {len(seen)} GPU{'s' * (len(seen) != 1)}, the same as the host by UUID.",
                  subject=subject, seen=f"{len(seen)} GPUs", evidence=evidence)


def run_container(session: Session) -> list[JobResult]:
    """Start a container with all GPUs and ask nvidia-smi there; then ask in every running container with GPUs."""
    if not session.cards.pci:
        return [JobResult(not_applicable("there is no NVIDIA GPU to give to a container"))]
    always = with_values(session.smoke, place="container")
    image = session.smoke.cuda_image or session.smoke.image
    expected = {gpu.uuid for gpu in session.gpus if gpu.uuid}
    results = []
    try:
        place = choose_place(session.machine, always, image, has_gpu=True)
    except Unobservable as error:
        remedy = Remedy(steps=(error.hint,)) if error.hint else None
        results.append(JobResult(unknown(f"{error.message[0].upper()}{error.message[1:]}.", remedy=remedy)))
    else:
        ready = launch(place, new_name(), session.bounds, QUERY, gpu="all", stdin=False)
        ended = run_bounded(ready.argv, session.bounds, env=ready.env, after=ready.after)
        if ended.how == "exit":
            done = _completed(ready.argv, ended.code, ended.out, ended.err)
            results.append(JobResult(judge_answer(done, expected, f"nvidia-smi in a new container of {image}")))
        else:
            results.append(JobResult(failed(f"nvidia-smi in a new container {ended.words(session.bounds)}.")))
    return results + [JobResult(outcome) for outcome in _running(session, expected)]


def _completed(argv: tuple[str, ...], code: int, out: str, err: str) -> Completed:
    from agent.machine.api import Completed

    return Completed(argv, code, out, err)


def _running(session: Session, expected: set[str]) -> list[Outcome]:
    """Return what nvidia-smi says in the containers that were given GPUs: a daemon-reload takes them away."""
    found: list[Outcome] = []
    try:
        containers = observe_gpu_containers(session.machine)
    except Unobservable as error:
        return [unknown(f"Which running containers have GPUs is not known: {error.message}.")]
    for container in containers:
        try:
            done = session.machine.run(("docker", "exec", container.id, *QUERY), timeout_s=TIMEOUT_S, ok=None)
        except Unobservable as error:
            found.append(unknown(f"{container.name} cannot be asked: {error.message}.", subject=container.name))
            continue
        if done.code in (126, 127):
            found.append(unknown(f"{container.name} has no nvidia-smi, so it cannot be asked.", subject=container.name))
            continue
        shown = {match.group(0) for match in UUID.finditer(done.out)}
        found.append(judge_answer(done, expected & shown or expected, f"nvidia-smi in container {container.name}",
                                  subject=container.name))
    return found
