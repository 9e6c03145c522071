from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from agent.matrix.ask import Ask, parse_want
from agent.matrix.combination import Combination, Told
from agent.matrix.judgement import judge_combination
from agent.matrix.solution import NoSolution, Solution
from agent.matrix.solver import solve
from agent.matrix.tables import find_row, load_table

QUESTIONS: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "questions.yml").read_text())
SOLVED = [item for item in QUESTIONS if "solve" in item]
CHECKED = [item for item in QUESTIONS if "check" in item]


def _name(item: dict[str, Any]) -> str:
    return str(item["question"])


def _solved(item: dict[str, Any]) -> Solution | NoSolution:
    card, architecture, system, wants = item["solve"]
    return solve(Ask(card, architecture, system, tuple(parse_want(want) for want in wants)))


def test_there_are_at_least_twenty_of_every_kind() -> None:
    assert len(QUESTIONS) >= 20
    answers = [item["answer"] for item in QUESTIONS]
    assert min(answers.count(answer) for answer in ("yes", "no", "unknown")) >= 3


def test_every_answer_rests_on_sources_that_exist() -> None:
    sources = {row.id for row in load_table("sources")}
    for item in QUESTIONS:
        named = item["because"].replace("]", "[").split("[")[1::2]
        assert {source.strip() for group in named for source in group.split(",")} <= sources, item["question"]
        assert named or item["answer"] == "unknown"
        assert all(find_row(row) for row in item["rows"]), item["question"]


@pytest.mark.parametrize("item", SOLVED, ids=_name)
def test_the_solver_answers_what_the_sources_say(item: dict[str, Any]) -> None:
    result = _solved(item)
    if item["answer"] == "yes":
        assert isinstance(result, Solution), result
        for kind, value in item.get("parts", {}).items():
            part = result.part(kind)
            assert part is not None
            assert part.value == value
        assert result.driver_minimum == item.get("minimum", result.driver_minimum)
        assert list(result.driver_branches) == item.get("branches", list(result.driver_branches))
        assert result.driver_branches[-1] == item.get("last", result.driver_branches[-1])
        assert item.get("caveat", "") in " ".join(result.caveats)
        assert all(part.rows for part in result.parts)
    else:
        assert isinstance(result, NoSolution), result
        assert result.unknown == (item["answer"] == "unknown")
        assert item["says"] in " ".join(verdict.says for verdict in result.conflict)
        for kind, value in item.get("instead", {}).items():
            assert result.instead is not None
            part = result.instead.part(kind)
            assert part is not None
            assert part.value == value
    assert set(item["rows"]) <= set(result.rows)


@pytest.mark.parametrize("item", CHECKED, ids=_name)
def test_a_combination_is_judged_as_the_sources_say(item: dict[str, Any]) -> None:
    told = item["check"]
    seen = Combination(((told["card"], told["card"]),), told.get("architecture", "x86_64"), "", "",
                       Told(told.get("driver", "")), None, Told(told.get("cuda", "")), Told(told.get("cudnn", "")),
                       asked=True)
    found = [verdict for _, verdict in judge_combination(seen) if verdict.answer == item["answer"]]
    assert item["says"] in " ".join(verdict.says for verdict in found)
    assert set(item["rows"]) <= {row for verdict in found for row in verdict.rows}
