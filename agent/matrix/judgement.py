"""Judges the combination a machine runs against the rows: one verdict per pair that can be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.matrix.candidate import Question
from agent.matrix.rules import (
    DriverChoice,
    Need,
    card_beside,
    cuda_need,
    driver_builds,
    driver_drives,
    driver_known,
    driver_meets,
    driver_on_system,
    toolkit_targets,
)
from agent.matrix.subject import Subject, find_subject
from agent.matrix.tables import Matrix
from agent.matrix.toolkits import cudnn_need, find_cudnn, judge_cudnn_card
from agent.matrix.verdicts import Verdict, no, unknown, yes
from agent.matrix.version import order, parts, short
from agent.matrix.wheels import find_code, find_torch
from agent.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.matrix.combination import Combination

Line = tuple[str, Verdict]


def judge_combination(seen: Combination, matrix: Matrix | None = None) -> tuple[Line, ...]:
    """Return (what is compared, verdict); empty on a machine without an NVIDIA card."""
    matrix = matrix or Matrix()
    if not seen.cards:
        return ()
    choice = _choice(seen, matrix)
    lines: list[Line] = []
    if choice is None and not seen.asked:
        why = seen.driver.why or "no driver module is loaded"
        lines.append(("driver", unknown(f"{why}, so it cannot be judged")))
    for card in subjects(seen, matrix):
        lines += _of_card(seen, card, choice, matrix)
    if choice is not None:
        lines += _of_driver(seen, choice, matrix)
    lines += _of_libraries(seen, choice, matrix)
    return tuple(lines)


def judge_torch(version: str, cuda: str | None, seen: Combination, matrix: Matrix | None = None) -> tuple[Line, ...]:
    """Judge an installed torch: its version (`2.9.1+cu128`) and `torch.version.cuda`, None for a CPU build."""
    matrix = matrix or Matrix()
    if not seen.cards:
        return ()
    if cuda is None:
        return (("torch", no(f"torch {version} is a CPU build: it uses no GPU")),)
    lines: list[Line] = []
    row, tag = find_torch(version, matrix), f"cu{short(cuda).replace('.', '')}"
    if row is None:
        lines.append(("torch", unknown(f"no row describes torch {version}")))
    for card in subjects(seen, matrix):
        if not card.rows:
            lines.append(("card", unknown(f"no row says what card {card.name} is")))
        if row is None or not card.rows:
            continue
        question = Question(matrix, card, seen.architecture)
        lines.append((f"{card.name}, torch {version}", find_code(question, row, tag)[0]))
    choice = _choice(seen, matrix)
    if choice is not None:
        need = cuda_need(cuda, f"torch {version} (CUDA {short(cuda)})", matrix)
        lines.append((f"{choice.words}, torch {version}", _meets(choice, need)))
    return tuple(lines)


def subjects(seen: Combination, matrix: Matrix) -> tuple[Subject, ...]:
    """Return the different cards of a combination by name: known by PCI id, else by name."""
    found = set()
    for device, name in seen.cards:
        known = find_subject(device, matrix)
        try:
            found.add(known if known.rows else find_subject(name, matrix))
        except UsageError:
            found.add(Subject(name))
    return tuple(sorted(found, key=lambda card: card.name))


def _choice(seen: Combination, matrix: Matrix) -> DriverChoice | None:
    if not seen.driver.version:
        return None
    numbers = parts(seen.driver.version)
    return DriverChoice(numbers[0], matrix.find_driver(numbers[0]), seen.driver.version if len(numbers) > 1 else "")


def _meets(choice: DriverChoice, need: Need | Verdict) -> Verdict:
    return driver_meets(choice, need) if isinstance(need, Need) else need


def _of_card(seen: Combination, card: Subject, choice: DriverChoice | None, matrix: Matrix) -> Iterator[Line]:
    if not card.rows:
        yield "card", unknown(f"no row says what card {card.name} is")
        return
    apart = card_beside(card, seen.architecture) if seen.architecture else None
    if apart is not None:
        yield f"{card.name}, {seen.architecture}", apart
    if choice is not None:
        yield f"{card.name}, {choice.words}", driver_drives(choice, card, matrix)
        for fault in choice.row.known_faults if choice.row else ():
            if fault.capability == card.capability and choice.exact and order(fault.version) == order(choice.exact):
                yield f"{card.name}, {choice.words}", no(f"reported fault: {fault.what}", *choice.rows)
        if not (seen.asked and seen.open_module is None):
            yield f"{card.name}, kernel modules", _modules(seen, card)
    if seen.toolkit.version:
        yield f"{card.name}, CUDA {seen.toolkit.version}", toolkit_targets(seen.toolkit.version, card, matrix)
    if seen.cudnn.version:
        row = find_cudnn(seen.cudnn.version, matrix)
        missing = unknown(f"no row describes cuDNN {seen.cudnn.version}")
        yield f"{card.name}, cuDNN {seen.cudnn.version}", judge_cudnn_card(row, card) if row else missing


def _modules(seen: Combination, card: Subject) -> Verdict:
    if seen.open_module is None:
        return unknown("which kernel modules are loaded could not be seen")
    flavour = "open" if seen.open_module else "proprietary"
    wrong = {"required": "proprietary", "unsupported": "open"}.get(card.modules)
    if card.modules == "depends":
        return unknown(f"whether {card.name} takes the {flavour} modules depends on the card", *card.rows)
    if flavour == wrong:
        return no(f"the {flavour} kernel modules do not drive {card.name}", *card.rows)
    return yes(f"the {flavour} kernel modules drive {card.name}", *card.rows)


def _of_driver(seen: Combination, choice: DriverChoice, matrix: Matrix) -> Iterator[Line]:
    known = driver_known(choice)
    if not known.fits:
        yield choice.words, known
    broken = driver_builds(choice, seen.kernel, matrix) if seen.asked and seen.kernel else None
    if broken is not None:
        yield f"{choice.words}, kernel {seen.kernel}", broken
    if seen.system:
        system = matrix.find_system(seen.system, seen.architecture)
        missing = unknown(f"no row describes {seen.system} on {seen.architecture}")
        yield f"{choice.words}, {seen.system}", driver_on_system(choice, system) if system else missing
    if seen.toolkit.version:
        need = cuda_need(seen.toolkit.version, f"CUDA {short(seen.toolkit.version)}", matrix)
        yield f"{choice.words}, CUDA {seen.toolkit.version}", _meets(choice, need)


def _of_libraries(seen: Combination, choice: DriverChoice | None, matrix: Matrix) -> Iterator[Line]:
    """Judge cuDNN against CUDA and the driver, and say what could not be seen."""
    for name, told in (("CUDA toolkit", seen.toolkit), ("cuDNN", seen.cudnn)):
        if told.why:
            yield name, unknown(told.why)
    row = find_cudnn(seen.cudnn.version, matrix) if seen.cudnn.version else None
    if row is None or not seen.toolkit.version:
        return
    major, name = parts(seen.toolkit.version)[0], f"cuDNN {seen.cudnn.version}"
    have = " and ".join(map(str, row.cuda_majors))
    says = f"{name} exists for CUDA {have}"
    fits = yes(says, row.id) if major in row.cuda_majors else no(f"{says}, not {major}", row.id)
    yield f"CUDA {seen.toolkit.version}, {name}", fits
    if choice is not None and fits.fits:
        blackwell = any(card.capability and parts(card.capability)[0] >= 10 for card in subjects(seen, matrix))
        yield f"{choice.words}, {name}", _meets(choice, cudnn_need(row, major, blackwell=blackwell))
