"""Judges a torch that is already installed: does its build suit driver, card and processor?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.matrix.candidate import Question
from agent.matrix.rules import DriverChoice, Need, cuda_need, driver_meets
from agent.matrix.subject import Subject, find_subject
from agent.matrix.tables import Matrix
from agent.matrix.verdicts import Verdict, unknown
from agent.matrix.version import begins, parts
from agent.matrix.wheels import find_code
from agent.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator


def judge_torch(
    version: str, cuda: str, architecture: str, driver: str, cards: tuple[tuple[str, str], ...]
) -> tuple[Verdict, ...]:
    """Return what the rows say: of the driver first, then of each kind of card.

    `version` as torch writes it (2.9.0+cu128), `cuda` that of the build, `driver` the loaded one (empty: none),
    `cards` as (PCI device id, name).
    """
    matrix = Matrix()
    verdicts = [_driver(version, cuda, driver, matrix)]
    subjects = dict.fromkeys(_subject(device, name, matrix) for device, name in cards)
    verdicts += [_card(version, cuda, Question(matrix, card, architecture)) for card in subjects]
    return tuple(verdicts)


def _driver(version: str, cuda: str, driver: str, matrix: Matrix) -> Verdict:
    if not driver:
        return unknown("no driver is loaded that could be judged")
    need = cuda_need(cuda, f"torch {version}", matrix)
    if not isinstance(need, Need):
        return need
    branch = parts(driver)[0]
    return driver_meets(DriverChoice(branch, matrix.find_driver(branch), driver), need)


def _card(version: str, cuda: str, question: Question) -> Verdict:
    release = version.partition("+")[0]
    row = next((row for row in question.matrix.table("torch") if begins(row.version, release)), None)
    if row is None:
        return unknown(f"no row describes torch {release}")
    if not question.card.rows:
        return unknown(f"no row says what card {question.card.name} is")
    return find_code(question, row, f"cu{''.join(cuda.split('.')[:2])}")[0]


def _subject(device: str, name: str, matrix: Matrix) -> Subject:
    found: Iterator[Subject] = (find_subject(text, matrix) for text in (device, name))
    try:
        return next((subject for subject in found if subject.rows), Subject(name))
    except UsageError:
        return Subject(name)
