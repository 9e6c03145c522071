"""Judges the combination a machine runs against the rows: one verdict per pair that can be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.matrix.rules import (
    DriverChoice,
    Need,
    cuda_need,
    driver_builds,
    driver_drives,
    driver_meets,
    driver_on_system,
    toolkit_targets,
)
from agent.matrix.subject import Subject, find_subject
from agent.matrix.tables import Matrix
from agent.matrix.toolkits import judge_cudnn_card
from agent.matrix.verdicts import Verdict, no, unknown, yes
from agent.matrix.version import begins, order, parts, short

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.matrix.combination import Combination

Line = tuple[str, Verdict]


def judge_combination(seen: Combination, matrix: Matrix | None = None) -> tuple[Line, ...]:
    """Return (what is compared, verdict); empty on a machine without an NVIDIA card."""
    matrix = matrix or Matrix()
    if not seen.cards:
        return ()
    cards = {_subject(device, name, matrix) for device, name in seen.cards}
    lines: list[Line] = []
    choice = _choice(seen, matrix)
    if choice is None:
        why = seen.driver.why or "no driver module is loaded"
        lines.append(("driver", unknown(f"{why}, so it cannot be judged")))
    for card in sorted(cards, key=lambda card: card.name):
        lines += _of_card(seen, card, choice, matrix)
    if choice is not None:
        lines += _of_driver(seen, choice, matrix)
    return tuple(lines)


def _subject(device: str, name: str, matrix: Matrix) -> Subject:
    found = find_subject(device, matrix)
    return found if found.rows else find_subject(name, matrix)


def _choice(seen: Combination, matrix: Matrix) -> DriverChoice | None:
    if not seen.driver.version:
        return None
    branch = parts(seen.driver.version)[0]
    return DriverChoice(branch, matrix.find_driver(branch), seen.driver.version)


def _of_card(seen: Combination, card: Subject, choice: DriverChoice | None, matrix: Matrix) -> Iterator[Line]:
    if not card.rows:
        yield "card", unknown(f"no row says what card {card.name} is")
        return
    if choice is not None:
        yield f"{card.name}, driver {choice.exact}", driver_drives(choice, card, matrix)
        yield f"{card.name}, kernel modules", _modules(seen, card)
        for fault in choice.row.known_faults if choice.row else ():
            if fault.capability == card.capability and order(fault.version) == order(choice.exact):
                yield f"{card.name}, driver {choice.exact}", no(f"reported fault: {fault.what}", *choice.rows)
    if seen.toolkit.version:
        yield f"{card.name}, CUDA {seen.toolkit.version}", toolkit_targets(seen.toolkit.version, card, matrix)
    row = next(
        (
            row
            for row in matrix.table("cudnn")
            if seen.cudnn.version and begins(row.version, seen.cudnn.version)
        ),
        None,
    )
    if seen.cudnn.version:
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
    broken = driver_builds(choice, seen.kernel)
    if broken is not None:
        yield f"driver {choice.exact}, kernel {seen.kernel}", broken
    system = matrix.find_system(seen.system, seen.architecture)
    missing = unknown(f"no row describes {seen.system} on {seen.architecture}")
    yield f"driver {choice.exact}, {seen.system}", driver_on_system(choice, system) if system else missing
    if seen.toolkit.version:
        need = cuda_need(seen.toolkit.version, f"CUDA {short(seen.toolkit.version)}", matrix)
        verdict = driver_meets(choice, need) if isinstance(need, Need) else need
        yield f"driver {choice.exact}, CUDA {seen.toolkit.version}", verdict
    elif seen.toolkit.why:
        yield "CUDA toolkit", unknown(seen.toolkit.why)
