"""What must hold for every question that can be asked."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.matrix.ask import Ask, Want, parse_want
from agent.matrix.rules import (
    DriverChoice,
    Need,
    code_possible,
    cuda_need,
    driver_builds,
    driver_drives,
    driver_meets,
    driver_on_system,
)
from agent.matrix.solution import NoSolution, Solution
from agent.matrix.solver import solve
from agent.matrix.subject import find_subject
from agent.matrix.tables import Matrix, load_table
from agent.matrix.verdicts import Answer
from agent.matrix.version import at_least, begins, order, parts

# The same examples on every run; a slow machine is no failure.
STEADY = settings(derandomize=True, deadline=None, max_examples=40, database=None)
MATRIX = Matrix()
CARDS = [card.name for card in MATRIX.cards]
SYSTEMS = ["", *dict.fromkeys(row.system for row in load_table("systems"))]
TORCH = [Want("torch"),
         *(Want("torch", row.version, build.tag) for row in load_table("torch")[::3] for build in row.builds),
         *(Want("torch", row.version, from_pypi=True) for row in load_table("torch")[::4])]
VLLM = [Want("vllm"), *(Want("vllm", row.version) for row in load_table("vllm")[::6])]
CUDA = [Want("cuda"), *(Want("cuda", row.version) for row in load_table("cuda")[::3])]
CUDNN = [Want("cudnn"), *(Want("cudnn", row.version) for row in load_table("cudnn")[::5])]
IMAGES = [parse_want(row.reference) for row in load_table("images") if not {"*", "<", ">"} & set(row.reference)]
DRIVERS = [Want("driver", str(row.branch)) for row in MATRIX.drivers] + [Want("driver", "580.95.05")]
OTHER = [Want("kernel", "6.12"), Want("kernel", "7.0"), Want("python", "3.12"), Want("nvfp4")]
WANTS = st.lists(
    st.one_of(*(st.sampled_from(kind) for kind in (TORCH, VLLM, CUDA, CUDNN, IMAGES, DRIVERS, OTHER))),
    max_size=3, unique_by=lambda want: want.kind,
).map(tuple)
ASKS = st.builds(Ask, st.sampled_from(CARDS), st.sampled_from(["x86_64", "aarch64"]), st.sampled_from(SYSTEMS), WANTS)


def _choices(result: Solution) -> list[DriverChoice]:
    exact = next((want.version for want in result.ask.wants if want.kind == "driver" and "." in want.version), "")
    return [DriverChoice(branch, MATRIX.find_driver(branch), exact) for branch in result.driver_branches]


@STEADY
@given(ASKS)
def test_a_solution_satisfies_every_row_of_its_card_system_and_kernel(ask: Ask) -> None:
    result = solve(ask)
    if not isinstance(result, Solution):
        return
    card = find_subject(ask.card, MATRIX)
    kernel = next((want.version for want in ask.wants if want.kind == "kernel"), "")
    system = MATRIX.find_system(ask.system, ask.architecture)
    assert (system is not None) == bool(ask.system)
    for choice in _choices(result):
        assert driver_drives(choice, card, MATRIX).fits
        assert system is None or driver_on_system(choice, system).fits
        assert not kernel or driver_builds(choice, kernel, MATRIX) is None
    assert result.driver_branch in result.driver_branches
    assert at_least(result.driver_minimum, card.driver_sure)


@STEADY
@given(ASKS)
def test_a_solution_satisfies_every_row_of_what_it_is_made_of(ask: Ask) -> None:
    result = solve(ask)
    if not isinstance(result, Solution):
        return
    card = find_subject(ask.card, MATRIX)
    versions = {part.kind: part.value for part in result.parts}
    cudas = [versions["cuda"]] if "cuda" in versions else []
    if "torch" in versions:
        version, _, tag = versions["torch"].partition("+cu")
        cudas.append(f"{tag[:2]}.{tag[2:]}")
        row = next(row for row in load_table("torch") if row.version == version)
        native_pypi = begins(row.pypi_cuda, cudas[-1]) and (ask.architecture == "x86_64" or row.pypi_aarch64 == "cuda")
        assert native_pypi or f"cu{tag}" in {build.tag for build in row.builds}
        assert all(at_least(python, "3.8") for python in versions["python"].split())
    if "vllm" in versions:
        release = next(row for row in load_table("vllm") if row.version == versions["vllm"])
        assert ask.architecture in release.platforms
        assert versions["torch"].startswith(f"{release.torch}+")
    for cuda in cudas:
        need = cuda_need(cuda, "it", MATRIX)
        assert isinstance(need, Need)
        assert code_possible(cuda, card, MATRIX).answer is not Answer.NO
        assert all(driver_meets(choice, need).fits for choice in _choices(result))
        assert at_least(result.driver_minimum, need.minimum)


@STEADY
@given(ASKS)
def test_what_was_wanted_is_what_is_given(ask: Ask) -> None:
    result = solve(ask)
    if isinstance(result, Solution):
        for want in ask.wants:
            part = result.part(want.kind)
            if want.kind in ("torch", "vllm", "cuda", "cudnn") and part:
                assert begins(part.value, want.version)
                assert not want.tag or part.value.endswith(f"+{want.tag}")
            if want.kind == "driver":
                assert result.driver_branches == (parts(want.version)[0],)
            if want.kind == "python" and result.part("python"):
                assert any(begins(want.version, python) for python in result.part("python").value.split())


@STEADY
@given(ASKS)
def test_every_part_cites_rows_and_every_no_cites_rows(ask: Ask) -> None:
    result = solve(ask)
    if isinstance(result, Solution):
        assert all(part.rows for part in result.parts)
    else:
        assert result.conflict
        assert all(verdict.rows for verdict in result.conflict if verdict.answer is Answer.NO)
        assert result.unknown == any(verdict.answer is Answer.UNKNOWN for verdict in result.conflict)
        assert not any(verdict.fits for verdict in result.conflict)


@STEADY
@given(ASKS)
def test_the_same_question_gets_the_same_answer(ask: Ask) -> None:
    assert solve(ask) == solve(dataclasses.replace(ask), Matrix())


@STEADY
@given(ASKS, st.data())
def test_taking_a_cited_row_away_takes_the_solution_away(ask: Ask, data: st.DataObject) -> None:
    result = solve(ask)
    if isinstance(result, Solution):
        row = data.draw(st.sampled_from(result.rows))
        less = solve(ask, MATRIX.without(row))
        assert row not in less.rows
        assert less != result


@STEADY
@given(ASKS, st.lists(st.sampled_from([row.id for name in ("torch_builds", "images", "cudnn", "torch", "vllm", "floors",
                                                           "architectures", "cards", "systems", "vllm_cards")
                                       for row in load_table(name)]), min_size=1, max_size=40))
def test_fewer_rows_never_make_a_no_or_an_unknown_into_a_yes(ask: Ask, gone: list[str]) -> None:
    if isinstance(solve(ask), NoSolution):
        assert isinstance(solve(ask, MATRIX.without(*gone)), NoSolution)


@pytest.mark.parametrize("table", ["cards", "architectures", "floors", "torch", "torch_builds"])
def test_without_a_table_nothing_is_a_yes(table: str) -> None:
    bare = MATRIX.without(*(row.id for row in load_table(table)))
    result = solve(Ask("RTX 4090", "x86_64", "", (Want("torch"),)), bare)
    assert isinstance(result, NoSolution)
    assert result.unknown


def test_a_row_that_allows_something_is_needed_for_it() -> None:
    ask = Ask("RTX 4090", "x86_64", "", (Want("torch", "2.2.2", "cu121"),))
    for row in ("card.rtx-4090", "arch.8.9", "floor.12", "torch.2.2.2", "torch-build.cu121.2.1.x86_64"):
        result = solve(ask, MATRIX.without(row))
        assert isinstance(result, NoSolution), row
        assert result.unknown, row


VERSION = st.lists(st.integers(0, 999), min_size=1, max_size=4).map(lambda numbers: ".".join(map(str, numbers)))


@STEADY
@given(VERSION, VERSION)
def test_versions_are_totally_ordered(one: str, other: str) -> None:
    assert at_least(one, other) or at_least(other, one)
    assert (at_least(one, other) and at_least(other, one)) == (order(one) == order(other))
    assert begins(f"{one}.{other}", one)
    assert begins(one, "")


@pytest.mark.parametrize("text", ["", "abc", "..", "+cu121"])
def test_what_has_no_number_is_no_version(text: str) -> None:
    with pytest.raises(ValueError, match="is no version"):
        parts(text)
