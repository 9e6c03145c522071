"""The images that the profile wants are here."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Level, Outcome, failed, not_applicable, passed, unknown
from agent.machine.docker import engine_runs
from agent.machine.docker_images import LocalImage, observe_images
from agent.model.errors import UsageError
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.images.reference import Reference
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile


class Want(NamedTuple):
    """A word of the profile: the image it means and the folder it is made from, or why it means none."""

    word: str
    reference: Reference | None
    build: str = ""
    why: str = ""


class Seen(NamedTuple):
    """What is wanted and what is here."""

    runs: bool
    wants: tuple[Want, ...] = ()
    host: str = ""
    images: tuple[LocalImage, ...] = ()


def observe(machine: Machine, profile: ResolvedProfile) -> Seen | None:
    """Resolve the profile's words for this machine; ask the engine while it runs.

    The catalogue and the matrix are imported only where images are wanted: drift looks with this check every time.
    """
    section = profile.profile.images
    if not (section.enabled and section.pull):
        return None
    if not engine_runs(machine):
        return Seen(False)
    from agent.images.catalogue import load_catalogue
    from agent.images.fit import choose, observe_host
    from agent.machine.hardware import observe_hardware
    from agent.matrix.tables import Matrix
    from agent.resources import images

    matrix, catalogue = Matrix(), load_catalogue()
    host = observe_host(machine, observe_hardware(machine), matrix)
    wants = []
    for word in section.pull:
        try:
            found = choose(word, catalogue, host, matrix)
            folder = found.entry.build if found.entry else ""
            wants.append(Want(word, found.reference, str(images() / folder) if folder else ""))
        except UsageError as error:
            wants.append(Want(word, None, why=error.message))
    return Seen(True, tuple(wants), host.architecture, observe_images(machine))


def judge(seen: Seen | None, profile: ResolvedProfile) -> list[Outcome]:
    """Each is here under its name, for this CPU, and with its digest where one is pinned."""
    if seen is None:
        return [not_applicable("The profile wants no images.")]
    if not seen.runs:
        return [unknown("Docker does not run: see container.docker-service.")]
    return [_judged(want, seen) for want in seen.wants]


def _judged(want: Want, seen: Seen) -> Outcome:
    if want.reference is None:
        return failed(f"{want.word} in images.pull: {want.why}", subject=want.word, expected="an image that fits",
                      remedy=Remedy(steps=("firstlight images list", "Correct images.pull in the profile.")))
    name, digest = want.reference.tagged, want.reference.digest
    here = next((image for image in seen.images if name in image.names or name in image.digests), None)
    evidence = [Evidence("docker image ls")]
    if here is None or here.architecture != seen.host:
        is_here = f"here for {here.architecture}" if here else "not here"
        made = Remedy(steps=(f"docker build -t {name} {want.build}",)) if want.build else None
        return failed(f"{name} is {is_here}.", subject=name, seen=is_here, expected=f"here for {seen.host}",
                      evidence=evidence, remedy=made)
    from agent.images.reference import parse_reference

    held = {parse_reference(text).digest for text in here.digests}
    if digest and digest not in held:
        return failed(f"{name} is here, but not with the pinned digest.", subject=name,
                      seen=", ".join(sorted(held)) or "no digest", expected=digest, evidence=evidence)
    return passed(f"{name} is here for {seen.host}.", subject=name, seen=here.id[:19], evidence=evidence)


CHECK = Check(
    title="Images the profile wants",
    why="A first job should not begin with a download of many gigabytes, nor with another image than the one "
        "that was proven.",
    level=Level.STANDARD,
    observe=observe,
    judge=judge,
    remedy=Remedy(role="images"),
)
