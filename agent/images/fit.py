"""Whether an image of the catalogue fits a machine, and the one to run for a purpose. Pure, from rows and facts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.images.reference import Reference, parse_reference
from agent.matrix.rules import code_possible
from agent.matrix.subject import Subject, find_subject
from agent.matrix.verdicts import Answer
from agent.matrix.version import at_least, parts
from agent.model.errors import Missing, Unobservable, UsageError

if TYPE_CHECKING:
    from agent.images.catalogue import Catalogue, Entry
    from agent.machine.api import Machine
    from agent.matrix.tables import Matrix
    from agent.model.hardware import Hardware

DOCKER_NAMES = {"x86_64": "amd64", "aarch64": "arm64"}
DRIVER = "/sys/module/nvidia/version"


@dataclass(frozen=True, slots=True)
class Host:
    """What an image must fit: docker's word for the CPU, the cards, the loaded driver ("" none, None not known)."""

    architecture: str
    cards: tuple[Subject, ...]
    driver: str | None

    @property
    def capabilities(self) -> frozenset[str]:
        """The compute capabilities that are known."""
        return frozenset(card.capability for card in self.cards if card.capability)


@dataclass(slots=True)
class Fit:
    """How an image fits: what speaks against it, what is not known, and the entry to run instead."""

    against: list[str] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)
    instead: str = ""

    @property
    def answer(self) -> Answer:
        """No when anything speaks against it, unknown when anything is not known."""
        return Answer.NO if self.against else Answer.UNKNOWN if self.unsure else Answer.YES


@dataclass(frozen=True, slots=True)
class Wanted:
    """An image somebody asked for, by its catalogue entry (None: not in the catalogue)."""

    reference: Reference
    entry: Entry | None
    fit: Fit


def observe_host(machine: Machine, hardware: Hardware, matrix: Matrix) -> Host:
    """Return what the machine is to images."""
    driver: str | None
    try:
        driver = machine.read(DRIVER).strip()
    except Missing:
        driver = ""
    except Unobservable:
        driver = None
    cards = tuple(find_subject(gpu.device_id, matrix) for gpu in hardware.gpus)
    return Host(DOCKER_NAMES.get(hardware.architecture, hardware.architecture), cards, driver)


def judge_fit(entry: Entry, host: Host, matrix: Matrix) -> Fit:
    """Say whether an image fits a machine: its exceptions, the CPU, the cards, the driver."""
    fit = Fit()
    for wrong in entry.wrong:
        here = not wrong.architecture or host.architecture in wrong.architecture
        if here and (not wrong.capability or host.capabilities & set(wrong.capability)):
            fit.against.append(wrong.why)
            fit.instead = fit.instead or wrong.instead or ""
    if not fit.against:
        _judge_architecture(fit, entry, host)
    if entry.gpu:
        _judge_cards(fit, entry, host, matrix)
        _judge_driver(fit, entry, host, matrix)
    return fit


def _judge_architecture(fit: Fit, entry: Entry, host: Host) -> None:
    if not entry.architectures:
        fit.unsure.append(f"no source says whether it exists for {host.architecture}")
    elif host.architecture not in entry.architectures:
        only = " and ".join(entry.architectures)
        fit.against.append(f"it exists for {only} only, this machine is {host.architecture}")


def _judge_cards(fit: Fit, entry: Entry, host: Host, matrix: Matrix) -> None:
    if not host.cards:
        fit.against.append("it needs an NVIDIA GPU, and there is none")
    for card in dict.fromkeys(host.cards):
        if entry.only and card.capability not in entry.only:
            fit.against.append(f"it is made for compute capability {', '.join(entry.only)}, not for {card.name}")
        elif entry.holds.cuda:
            verdict = code_possible(entry.holds.cuda, card, matrix)
            if verdict.answer is Answer.NO:
                fit.against.append(verdict.says)
            elif verdict.answer is Answer.UNKNOWN:
                fit.unsure.append(verdict.says.removeprefix("unknown: "))
        elif not entry.only and not entry.min_driver:
            fit.unsure.append("no source says which CUDA it holds")
        fit.against += _too_old_for_vllm(entry, card, matrix)


def _too_old_for_vllm(entry: Entry, card: Subject, matrix: Matrix) -> list[str]:
    version = entry.holds.vllm
    rows = [row for row in matrix.table("vllm_cards")
            if version and at_least(version, row.first) and not (row.below and at_least(version, row.below))]
    return [f"vLLM {version} needs compute capability {row.capability_min}, {card.name} has {card.capability}"
            for row in rows if card.capability and not at_least(card.capability, row.capability_min)]


def needed_driver(entry: Entry, matrix: Matrix) -> str:
    """Return the oldest driver that starts an image: the entry's, else its CUDA's floor, else empty."""
    if entry.min_driver or not entry.holds.cuda:
        return entry.min_driver or ""
    floor = matrix.find_floor(parts(entry.holds.cuda)[0])
    return floor.driver if floor else ""


def _judge_driver(fit: Fit, entry: Entry, host: Host, matrix: Matrix) -> None:
    needed = needed_driver(entry, matrix)
    if not host.cards or not needed:
        return
    if not host.driver:
        seen = "and none is loaded" if host.driver is not None else "and which one is loaded is not known"
        fit.unsure.append(f"it needs driver {needed} or newer, {seen}")
    elif not at_least(host.driver, needed):
        fit.against.append(f"it needs driver {needed} or newer, {host.driver} is loaded")


def find_replacement(entry: Entry, catalogue: Catalogue, host: Host, matrix: Matrix) -> Entry | None:
    """Return the entry to run instead: the one it names where that fits, else the first of its purpose that does."""
    named = catalogue.find(judge_fit(entry, host, matrix).instead)
    for other in ([named] if named else []) + catalogue.of(entry.purpose):
        if other.name != entry.name and judge_fit(other, host, matrix).answer is not Answer.NO:
            return other
    return None


def find_entry(reference: Reference, catalogue: Catalogue) -> Entry | None:
    """Return the entry of a reference, None when the catalogue has it not."""
    return next((entry for entry in catalogue.images if _same(parse_reference(entry.reference), reference)), None)


def find_relative(reference: Reference, catalogue: Catalogue) -> Entry | None:
    """Return the entry of a reference, else one of the same repository under another tag."""
    near = (entry for entry in catalogue.images if parse_reference(entry.reference).name == reference.name)
    return find_entry(reference, catalogue) or next(near, None)


def _same(one: Reference, other: Reference) -> bool:
    return one.name == other.name and bool(one.tag) and one.tag == other.tag


def choose(want: str, catalogue: Catalogue, host: Host, matrix: Matrix) -> Wanted:
    """Return the image meant by a name of the catalogue, a purpose (the first that fits) or a reference.

    Raises UsageError for a purpose for which nothing fits, with every reason, and for words that mean nothing.
    """
    return candidates(want, catalogue, host, matrix)[0]


def candidates(want: str, catalogue: Catalogue, host: Host, matrix: Matrix) -> list[Wanted]:
    """Return what a word may mean, best first, at least one: of a purpose the images that fit. Raises as choose."""
    named = catalogue.find(want)
    if named is None and want in catalogue.purposes:
        return [_of_entry(entry, host, matrix) for entry in _fitting(want, catalogue, host, matrix)]
    if named is not None:
        return [_of_entry(named, host, matrix)]
    if is_word(want):
        known = ", ".join((*catalogue.purposes, *(entry.name for entry in catalogue.images)))
        raise UsageError(f"{want}: the catalogue has no such purpose or image", f"known: {known}")
    reference = parse_reference(want)
    entry = find_entry(reference, catalogue)
    if entry is not None and entry.digest and not reference.digest:
        reference = reference.at(entry.digest)
    return [Wanted(reference, entry, judge_fit(entry, host, matrix) if entry else Fit())]


def is_word(want: str) -> bool:
    """Return whether it can only be a word of the catalogue; a reference has a path, a tag or a digest."""
    return not any(mark in want for mark in "/:@")


def _of_entry(entry: Entry, host: Host, matrix: Matrix) -> Wanted:
    reference = parse_reference(entry.reference)
    return Wanted(reference.at(entry.digest or reference.digest), entry, judge_fit(entry, host, matrix))


def _fitting(purpose: str, catalogue: Catalogue, host: Host, matrix: Matrix) -> list[Entry]:
    judged = [(entry, judge_fit(entry, host, matrix)) for entry in catalogue.of(purpose)]
    fitting = [entry for answer in (Answer.YES, Answer.UNKNOWN) for entry, fit in judged if fit.answer is answer]
    if fitting:
        return fitting
    reasons = "\n".join(f"  {entry.reference}: {'; '.join(fit.against)}" for entry, fit in judged)
    raise UsageError(f"{purpose}: no image of the catalogue fits this machine:\n{reasons}",
                     "name a reference instead, or take it out of the profile (images.pull)")
