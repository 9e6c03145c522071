"""Where a job runs: in a container of an image that is here, or by an interpreter of this machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.machine.docker import observe_info
from agent.model.errors import Unobservable, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.machine.api import Machine
    from agent.model.profile import Smoke
    from agent.smoke.execution import Bounds

PASSED_ON = ("LD_LIBRARY_PATH", "CUDA_HOME", "CUDA_PATH")


@dataclass(frozen=True, slots=True)
class Place:
    """Where to run. `image` for kind container, `python` for local; `gpu_by`: gpus (runtime), cdi, none."""

    kind: str
    image: str = ""
    python: str = ""
    gpu_by: str = "none"

    @property
    def words(self) -> str:
        """Return `in IMAGE` or `by PYTHON`."""
        return f"in {self.image}" if self.kind == "container" else f"by {self.python}"


@dataclass(frozen=True, slots=True)
class Launch:
    """A command ready to be run bounded: argv, environment, and what ends it if it runs elsewhere."""

    argv: tuple[str, ...]
    env: dict[str, str]
    after: tuple[tuple[str, ...], ...] = ()


def choose_place(machine: Machine, smoke: Smoke, image: str, *, has_gpu: bool) -> Place:
    """Return where jobs of `image` (a word of the catalogue or a reference) run.

    Raises Unobservable that says why nowhere and what to do.
    """
    local = Place("local", python=smoke.python)
    if smoke.place == "local" or (smoke.place == "auto" and not image):
        if not smoke.python:
            raise Unobservable("no interpreter is named for local jobs",
                               "name one that has torch: --python PATH, or smoke.python in the profile")
        return local
    try:
        gpu_by = _gpu_by(machine, has_gpu=has_gpu)
        return Place("container", image=_here(machine, image), gpu_by=gpu_by)
    except Unobservable as error:
        if smoke.place == "auto" and smoke.python:
            return local
        raise Unobservable(
            f"no place to run: {error.message}",
            error.hint or "or name an interpreter that has torch: --python PATH, or smoke.python in the profile",
        ) from error


def _here(machine: Machine, word: str) -> str:
    """Return the image meant by a word of the catalogue, of a purpose the first that is here, or by a reference.

    Raises Unobservable when none is here, with how to get it.
    """
    from agent.images.fit import is_word

    names, build = _named(machine, word) if word and is_word(word) else ((word,), "")
    for name in names if word else ():
        argv = ("docker", "image", "inspect", "--format", "{{.Architecture}}", name)
        if machine.run(argv, timeout_s=8.0, ok=None).code == 0:
            return name
    get = f"docker build -t {names[0]} {build}" if build else f"firstlight images pull {word}"
    raise Unobservable(f"the image {names[0] or '(none named)'} is not here",
                       f"{get}; or name an interpreter that has torch: --python PATH")


def _named(machine: Machine, word: str) -> tuple[tuple[str, ...], str]:
    """Return what a word of the catalogue means here, best first, and the folder the first is made from."""
    from agent.images.catalogue import load_catalogue
    from agent.images.fit import candidates, observe_host
    from agent.machine.hardware import observe_hardware
    from agent.matrix.tables import Matrix
    from agent.resources import images

    matrix = Matrix()
    try:
        found = candidates(word, load_catalogue(), observe_host(machine, observe_hardware(machine), matrix), matrix)
    except UsageError as error:
        raise Unobservable(error.message.partition("\n")[0].rstrip(":"), f"firstlight images list {word}") from error
    build = found[0].entry.build if found[0].entry else ""
    return tuple(str(image.reference) for image in found), str(images() / build) if build else ""


def _gpu_by(machine: Machine, *, has_gpu: bool) -> str:
    """Return how a container gets its GPUs. Raises Unobservable when the engine does not answer."""
    info = observe_info(machine)
    if not has_gpu:
        return "none"
    return "cdi" if "nvidia" not in info.runtimes and info.cdi_folders else "gpus"


def launch(place: Place, name: str, bounds: Bounds, program: Sequence[str], *, gpu: str = "",
           stdin: bool = True, threads: int = 0) -> Launch:
    """Return the command that runs `program` at a place; `gpu` is a UUID, `all`, or empty for none.

    In a container the program's file comes from stdin, so nothing of the host is mounted; it has no network, no
    capabilities and no writable root.
    """
    env = {"OMP_NUM_THREADS": str(threads)} if threads else {}
    if place.kind == "local":
        chosen = {} if gpu in ("", "all") else {"CUDA_VISIBLE_DEVICES": gpu}
        kept = {key: os.environ[key] for key in PASSED_ON if key in os.environ}
        return Launch(tuple(program), {**kept, **env, **chosen})
    argv = ["docker", "run", "--rm", "--pull=never", f"--name={name}", "--network=none", "--cap-drop=ALL",
            "--security-opt=no-new-privileges", "--read-only", "--label=firstlight.smoke=1", "--pids-limit=4096",
            f"--memory={bounds.memory_bytes}", f"--memory-swap={bounds.memory_bytes}", "--shm-size=1g",
            f"--tmpfs=/tmp:rw,exec,mode=1777,size={bounds.disk_bytes}", "--workdir=/tmp", "--env=HOME=/tmp",
            "--env=NVIDIA_DRIVER_CAPABILITIES=compute,utility", *(f"--env={key}={value}" for key, value in env.items())]
    if gpu and place.gpu_by == "gpus":
        argv.append("--gpus=all" if gpu == "all" else f"--gpus=device={gpu}")
    if gpu and place.gpu_by == "cdi":
        argv.append(f"--device=nvidia.com/gpu={gpu}")
    argv += [*(["--interactive"] if stdin else []), f"--entrypoint={program[0]}", place.image, *program[1:]]
    return Launch(tuple(argv), {}, (("docker", "rm", "--force", name),))


def interpreter(place: Place) -> str:
    """Return the Python of a place. Raises Unobservable when the local one is not there."""
    if place.kind == "container":
        return "python3"
    if not os.access(place.python, os.X_OK):
        raise Unobservable(f"{place.python}: there is no such interpreter")
    return str(Path(place.python).absolute())
